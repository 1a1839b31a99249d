"""Branches of the lake as environments."""
