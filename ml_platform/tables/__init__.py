"""Declared tables: what they are, how delivered rows are read and judged, and a first declaration guessed from files."""
