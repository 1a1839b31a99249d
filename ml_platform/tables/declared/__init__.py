"""What a declaration says of a table: source, days, columns, rules, and from when each column is known."""
