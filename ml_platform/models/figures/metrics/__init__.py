"""The figures that models are judged by: each is one entry of ``METRICS`` in a module here, and found by the registry.

They stand in the order in which they are shown; the contract of ``ml_platform.testing.metrics`` runs over each.
"""
