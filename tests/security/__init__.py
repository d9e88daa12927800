"""The house under attack."""
