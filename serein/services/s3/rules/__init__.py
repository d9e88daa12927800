"""Pure rules of S3."""
