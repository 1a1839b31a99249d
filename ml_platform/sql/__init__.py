"""SQL that people declare: read, bound against the tables it names, and run within limits. And DuckDB connections that behave alike."""
