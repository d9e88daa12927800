"""What callers ask for."""
