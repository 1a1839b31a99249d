"""What files say of the table that they are: names, types, keys and times of their columns, each a guess with its evidence.

A guess ends in a draft that a person reviews, so nothing here is used where data are taken in.
"""
