"""Checksums of objects: five algorithms, whole or composed of parts.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from serein.base.errors import AwsError
from serein.base.later import later
from serein.services.s3.rules.errors import refusal

if TYPE_CHECKING:
    from awscrt import checksums as crt
else:
    crt = later("awscrt.checksums")  # Reading it costs 50 ms and 7 MB: left to the first object.

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
DEFAULT = "CRC64NVME"
"""What S3 computes when the uploader names no algorithm."""
MEMBERS: Mapping[str, str] = {name: f"Checksum{name}" for name in ALGORITHMS}
_BYTES: Mapping[str, int] = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
_COMBINE: Mapping[str, str] = {
    "CRC32": "combine_crc32",
    "CRC32C": "combine_crc32c",
    "CRC64NVME": "combine_crc64nvme",
}


class Digest(Protocol):
    """What takes bytes and has a digest in the end."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A CRC over bytes that come piece by piece."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def new_digest(algorithm: str) -> Digest:
    """A digest of `algorithm` ("CRC32" …, or "MD5")."""
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm == "CRC32C":
        return _Crc(crt.crc32c, 4)
    if algorithm == "CRC64NVME":
        return _Crc(crt.crc64nvme, 8)
    if algorithm == "SHA1":
        return hashlib.sha1()
    if algorithm == "SHA256":
        return hashlib.sha256()
    return hashlib.md5()


def in_base64(digest: bytes) -> str:
    """As the API writes digests."""
    return base64.b64encode(digest).decode()


def checksum(algorithm: str, data: bytes) -> str:
    """The checksum of `data` in base64."""
    digest = new_digest(algorithm)
    digest.update(data)
    return in_base64(digest.digest())


def declared(request: Mapping[str, Any]) -> tuple[str, str]:
    """The algorithm and value a request gives with its body; ("", "") when none. Raises for several, or a broken one."""
    given = [(name, request[MEMBERS[name]]) for name in ALGORITHMS if request.get(MEMBERS[name])]
    if len(given) > 1:
        raise refusal(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    if not given:
        return "", ""
    name, value = given[0]
    if not is_value_of(name, value):
        raise refusal(
            "InvalidRequest", f"Value for x-amz-checksum-{name.lower()} header is invalid."
        )
    return name, value


def is_value_of(algorithm: str, value: str) -> bool:
    """Whether `value` can be a checksum of that algorithm."""
    try:
        return len(base64.b64decode(value, validate=True)) == _BYTES[algorithm]
    except ValueError:
        return False


def asked(request: Mapping[str, Any]) -> str:
    """The algorithm a request names ("" when none). Raises for one that S3 does not know."""
    name = str(request.get("ChecksumAlgorithm") or "").upper()
    if name and name not in ALGORITHMS:
        raise refusal(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    return name


def check_md5(given: str | None, computed: bytes, *, in_hex: bool = False) -> None:
    """Raises unless Content-MD5 (base64) is a digest, and that of the body."""
    if given is None:
        return
    try:
        wanted = base64.b64decode(given, validate=True)
    except ValueError:
        wanted = b""
    if len(wanted) != 16:
        error = refusal("InvalidDigest")
        error.fields = {"Content-MD5": given}
        raise error
    if wanted != computed:
        told = wanted.hex() if in_hex else given
        raise refusal("BadDigest", ExpectedDigest=told, CalculatedDigest=in_base64(computed))


def mismatch(algorithm: str) -> AwsError:
    """The refusal of a body whose checksum is not the declared one."""
    return refusal(
        "BadDigest", f"The {algorithm} you specified did not match the calculated checksum."
    )


def composite(algorithm: str, values: Iterable[str]) -> str:
    """The checksum of the parts' checksums, with their number: `…-3`."""
    raw = [base64.b64decode(value) for value in values]
    return f"{checksum(algorithm, b''.join(raw))}-{len(raw)}"


def full_object(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """The checksum of the whole object from those of its parts (CRCs only): (base64, size in bytes) of each."""
    combine = getattr(crt, _COMBINE[algorithm])
    value, first = 0, True
    for text, size in parts:
        part = int.from_bytes(base64.b64decode(text), "big")
        value, first = (part, False) if first else (combine(value, part, size), False)
    return in_base64(value.to_bytes(_BYTES[algorithm], "big"))


def multipart_etag(md5s: Sequence[str]) -> str:
    """The ETag of an object uploaded in parts: the MD5 of the parts' MD5s (hex), and their number."""
    return f"{hashlib.md5(b''.join(bytes.fromhex(md5) for md5 in md5s)).hexdigest()}-{len(md5s)}"
