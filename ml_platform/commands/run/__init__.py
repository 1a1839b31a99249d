"""run, status and plan, and a person's word on deliveries and models."""
