"""The same features of more rows than memory holds, or on a cluster: by buckets of keys and slices of time."""
