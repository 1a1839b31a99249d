"""What was made from what, as rows, as a picture and as OpenLineage events."""
