"""Views that a team computes itself, in SQL or Python, from only what was available at each refresh."""
