"""What every step does before it touches the lake, what it says meanwhile, and how it fails."""
