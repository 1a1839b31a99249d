"""Whether a challenger takes the champion's place, and the history of that pointer."""
