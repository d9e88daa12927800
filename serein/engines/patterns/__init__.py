"""Pattern languages: what log filters, and later event rules, match with."""
