"""Features at a cutoff: declared, compiled and computed so that none sees what was not available yet."""
