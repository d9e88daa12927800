"""The API: a file per noun."""
