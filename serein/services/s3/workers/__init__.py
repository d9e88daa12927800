"""What goes on in S3 by itself."""
