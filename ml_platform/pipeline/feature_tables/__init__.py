"""Feature tables as histories of change points, and features of any spine read from them or computed."""
