"""Which features a model uses: filters, selectors, a size that validation chooses, and how stable the choice is."""
