"""AWS signatures without I/O: reading credentials, verifying them, streamed chunks, signing."""

from serein.wire.sigv4.credentials import Presented, read_credentials
from serein.wire.sigv4.errors import Family, aws_error
from serein.wire.sigv4.memo import SignatureMemo
from serein.wire.sigv4.problems import Kind, SignatureProblem
from serein.wire.sigv4.verify import ChunkSeed, checked_body, chunk_seed, verify

__all__ = [
    "ChunkSeed",
    "Family",
    "Kind",
    "Presented",
    "SignatureMemo",
    "SignatureProblem",
    "aws_error",
    "checked_body",
    "chunk_seed",
    "read_credentials",
    "verify",
]
