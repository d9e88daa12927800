"""Pure rules of HTTP APIs."""
