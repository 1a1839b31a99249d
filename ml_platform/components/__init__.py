"""The declarations and their assets in Dagster: the one room that knows it."""
