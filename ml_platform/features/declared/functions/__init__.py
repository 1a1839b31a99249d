"""The functions of windows: each is one class, whole in one file, and found by the registry.

A new function is one new file here that holds a subclass of ``Function`` (``function.py``) and lists it in ``FUNCTIONS``; the contract in
``ml_platform_tests/features/contract`` runs it through every way in which features are computed.
"""
