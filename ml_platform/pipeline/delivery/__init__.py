"""What lies in the landing zone or is fetched, what of it is new, and the raw rows that it becomes."""
