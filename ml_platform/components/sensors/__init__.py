"""What asks for runs: files that landed, functions to fetch with, and recorded decisions to retrain."""
