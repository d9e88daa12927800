"""serein."""
