"""SAML 2.0 as STS takes it: an identity provider's metadata, and signed responses. Knows no clock: the time is handed in.

Loaded with the first provider or assertion (lxml and signxml take a tenth of a second).
"""
