"""Organizations' rules that need no store."""
