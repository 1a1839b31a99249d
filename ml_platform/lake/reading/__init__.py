"""What readers see as of any commit, in the engine of their choice. History, differences between commits, and the SQL views."""
