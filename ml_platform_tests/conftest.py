from hypothesis import settings

# A test never asserts seconds: a slow machine is no failure, and neither is the first, cold example.
settings.register_profile("platform", deadline=None)
settings.load_profile("platform")
