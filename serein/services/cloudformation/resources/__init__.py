"""Resource types: each maps properties to API calls of the service that owns the resource, and nothing else."""
