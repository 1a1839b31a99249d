"""What is there, what is missing and what comes next, for tables and for a problem."""
