"""The trainers that the platform has: each is one class, whole in one file as its ``TRAINER``, and found by the registry.

A new one is one new file here; the contract of ``ml_platform.testing.trainers`` runs over it.
"""
