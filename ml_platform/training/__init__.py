"""Which rows a problem predicts for, what their answer is, and guards against a model that knows it too early."""
