"""Where Dagster's history of a branch is kept, and that no other branch writes into it."""
