"""The spine with its labels, and training sets: each row's features as of its cutoff, guarded against the future."""
