"""How good scores are, for each kind of question, with intervals that know about days."""
