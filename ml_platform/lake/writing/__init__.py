"""From rows to readable versions: cut, cast, ordered, hashed and written without a lock, then published in one short transaction."""
