"""Whether scores and columns have moved, whether the model has become worse, and whether to retrain."""
