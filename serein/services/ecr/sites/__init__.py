"""HTTP faces that are no AWS API."""
