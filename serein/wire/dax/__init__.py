"""The protocol that DAX's clients speak: CBOR over TCP, without I/O.

AWS documents the API behind it, not the protocol; this follows Amazon's own clients (PyPI `amazon-dax-client`, npm
`@amazon-dax-sdk/client-dax`, `aws-dax-go`, all under the Apache licence). What each part is: the service's README.
"""
