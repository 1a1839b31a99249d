"""Delivered rows judged by their contract: typed without loss, counted, kept or rejected, the newest of what came twice."""
