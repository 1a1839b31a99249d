"""One module per kind of model, and the list of those that can be named in a declaration."""
