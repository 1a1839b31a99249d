from hypothesis import settings

from ml_platform_tests.effort import examples

# A test never asserts seconds: a slow machine is no failure, and neither is the first, cold example.
settings.register_profile("platform", deadline=None, max_examples=examples(100))
settings.load_profile("platform")
