"""Commands on the lake: what is stored, tags, retention, erasure, backup, moving and publishing."""
