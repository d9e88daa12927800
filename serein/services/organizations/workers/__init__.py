"""What Organizations does by itself."""
