"""What the API can do, a file per noun."""
