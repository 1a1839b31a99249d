"""What Dagster is told of a version: metadata, plots, checks, and materializations that are new to it."""
