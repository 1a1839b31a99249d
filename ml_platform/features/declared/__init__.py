"""What a team says of its features, checked against its tables, and the definitions that come of it."""
