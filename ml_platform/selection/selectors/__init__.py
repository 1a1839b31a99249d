"""The selectors that the platform has: each is one class, whole in one file as its ``SELECTOR``, and found by the registry.

A new one is one new file here; the contract of ``ml_platform.testing.selectors`` runs over it.
"""
