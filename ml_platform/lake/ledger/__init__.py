"""What the ledger remembers: versions, commits, branches and who made what from what. Its tables and questions, and the databases."""
