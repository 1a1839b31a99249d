"""Delivered and derived rows judged and published day by day, and what became of each day."""
