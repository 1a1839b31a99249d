"""What stands in a defs.yaml: Table, FeatureView, Problem, Retention."""
