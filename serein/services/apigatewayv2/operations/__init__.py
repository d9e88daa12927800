"""The operations of the management API."""
