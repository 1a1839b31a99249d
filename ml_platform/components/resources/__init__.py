"""What assets are given: the platform, its engine, and the SQL views of the lake."""
