"""From a compiled project to Dagster assets, their checks, partitions and conditions."""
