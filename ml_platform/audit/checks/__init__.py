"""Checks that a declaration can ask for by name: each is one class, whole in one file as its ``CHECK``, and found by the registry.

A new one is one new file here; the contract of ``ml_platform.testing.checks`` runs over it. What every asset of a layer is checked for
stands where the layer is made.
"""
