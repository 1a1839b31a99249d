"""The measures of drift: each is one entry of ``MEASURES`` in a module here, and found by the registry.

The contract of ``ml_platform.testing.drift_measures`` runs over each.
"""
