"""The pages of the documentation that are made from the code, and what puts them into the site."""
