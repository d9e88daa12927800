"""Pure rules of Lambda."""
