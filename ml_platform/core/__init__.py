"""What every room uses and none owns: errors, time, names, hashes. Only the standard library."""
