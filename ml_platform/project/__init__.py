"""All declarations of one project checked against each other, as one object."""
