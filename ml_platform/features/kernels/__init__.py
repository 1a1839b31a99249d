"""One module per family of window functions: from positions on the axis to values, for all rows at once."""
