"""DAX's API, a file per noun."""
