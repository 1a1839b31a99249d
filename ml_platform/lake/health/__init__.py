"""Whether the lake is whole, how large it is, and copies of it to fall back on."""
