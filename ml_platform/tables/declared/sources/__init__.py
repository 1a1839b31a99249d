"""Where a table's rows can come from: each kind is one class, with all that is special about it, and found by the registry.

The contract of ``ml_platform.testing.sources`` runs over each.
"""
