"""Events as arrays on one axis, and where a window begins and ends on it."""
