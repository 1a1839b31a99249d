"""Files and frames as they are delivered, read within limits, with nothing guessed."""
