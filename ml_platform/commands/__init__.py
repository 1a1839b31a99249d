"""What the command line does: each command asks the rooms below and answers in a table or as JSON."""
