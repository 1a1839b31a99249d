"""Drafts of declarations from what files say: tables, views and questions that load and run, with a comment where files say nothing."""
