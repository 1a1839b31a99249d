"""Where something comes from and what was made of it: explain, why, used-by, reproduce."""
