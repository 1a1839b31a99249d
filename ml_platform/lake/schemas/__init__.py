"""How a table's columns may change so that older versions still read right. Casts that lose nothing."""
