"""Selection, models, and which of them is the champion, with every decision that was taken."""
