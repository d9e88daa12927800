"""What Application Auto Scaling does by itself."""
