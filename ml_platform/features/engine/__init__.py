"""The rule of time: window features, change points and looked-up columns of any spine, as of each row's cutoff."""
