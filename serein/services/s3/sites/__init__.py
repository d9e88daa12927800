"""HTTP faces of S3 that are not its API."""
