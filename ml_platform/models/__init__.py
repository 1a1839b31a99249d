"""Models: trained, judged on rows that they have not seen, and stored with all that is needed to load them."""
