"""What materializing an asset does: it reads one commit of the lake, computes, and publishes. Nothing here knows Dagster."""
