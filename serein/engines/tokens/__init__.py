"""Signed tokens: JSON web tokens and the public keys they are checked with. Knows no clock and no network."""
