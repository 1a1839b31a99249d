"""Features of features: trees that Featuretools proposes and the engine computes as of each cutoff."""
