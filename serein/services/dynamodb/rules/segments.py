"""The order of a table's partition keys, and the segments of a parallel Scan.

A hash of the partition key gives its bucket, a character that stands before the key's text: so a table's rows lie in the order of
that hash, as at AWS, every item collection in one piece, and a segment of a Scan is a range of buckets that no other segment reads.
Where segments end within a bucket, the hash's further digits divide it. Nothing of this depends on what the table holds, so pages
of all segments fit together whatever changes meanwhile.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
"""

from __future__ import annotations

from zlib import crc32

BUCKET_BITS = 12
BUCKETS = 1 << BUCKET_BITS
_FIRST = 0x100
_SHIFT = 32 - BUCKET_BITS

Segment = tuple[int, int]
"""The number of a segment, and how many there are."""


def spread(text: str) -> str:
    """The text of a partition key with its bucket before it."""
    return chr(_FIRST + (crc32(text.encode("utf-8", "surrogatepass")) >> _SHIFT)) + text


def in_segment(text: str, segment: Segment) -> bool:
    """Whether the partition key with this text (without its bucket) belongs to a segment."""
    return crc32(text.encode("utf-8", "surrogatepass")) * segment[1] >> 32 == segment[0]


def buckets_of(segment: Segment) -> tuple[str, str]:
    """The buckets that a segment has keys in, as a range of texts: from the first, up to and without the second."""
    number, total = segment
    low = -(-(number << 32) // total)
    high = -(-((number + 1) << 32) // total)
    return chr(_FIRST + (low >> _SHIFT)), chr(_FIRST + ((high - 1) >> _SHIFT) + 1)


def is_whole(segment: Segment) -> bool:
    """Whether a segment has all the keys of its buckets."""
    return BUCKETS % segment[1] == 0
