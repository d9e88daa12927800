"""The protocols: what each does with a request, a result and an error."""
