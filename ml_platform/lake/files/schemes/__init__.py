"""The kinds of store that the platform has: each is one scheme of URLs, whole in one file as its ``STORE``, and found by the registry.

The contract of ``ml_platform.testing.stores`` runs over each.
"""
