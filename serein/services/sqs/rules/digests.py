"""MD5 digests that SDKs verify.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5, sha256

from serein.services.sqs.records import Attribute


def body_digest(body: str) -> str:
    """The MD5 of a message body, in hexadecimal."""
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def content_dedup_id(body: str) -> str:
    """The deduplication id made of a body: its SHA-256."""
    return sha256(body.encode()).hexdigest()


def attributes_digest(attributes: Mapping[str, Attribute]) -> str:
    """The MD5 of message attributes: name, type and value of each, in the order of the names."""
    digest = md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        for text in (name, attribute.type):
            raw = text.encode()
            digest.update(len(raw).to_bytes(4, "big") + raw)
        kind, value = (
            (b"\x02", attribute.data)
            if attribute.data is not None
            else (b"\x01", (attribute.text or "").encode())
        )
        digest.update(kind + len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()
