"""From files to a project that loads: init, quickstart, contracts and features in words."""
