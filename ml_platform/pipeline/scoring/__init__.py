"""The life of a champion: predictions, what came of them, and whether to retrain."""
