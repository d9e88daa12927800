"""What IAM does by itself."""
