"""What runs inside: the zygote, the sandbox and the runtimes' bootstraps.

These modules run in an interpreter of their own, which may be another Python than the server's: they use the
standard library only, and import nothing of Serein but each other.
"""
