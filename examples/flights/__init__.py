"""Flights from New York in 2013: the dg project of this repository, its declarations in ``defs/``.

Beside them stand what a user would not have: source systems that deliver day by day (``feeds.py``), and the story that ``make demo`` tells.
"""
