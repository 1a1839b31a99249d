"""Questions about what was made: why a value is what it is, whether a model can be made again, what a change would change."""
