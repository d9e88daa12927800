"""Rules of STS that need no store."""
