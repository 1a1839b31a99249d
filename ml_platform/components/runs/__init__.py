"""Runs in this process: what is made, in which order, how long it will take, and what came of it."""
