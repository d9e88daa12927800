"""How queues behave."""
