"""Branches as environments, and tags: names for commits that must stay readable."""
