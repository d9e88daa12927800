"""Byte ranges of reads and of copied parts.

https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2
"""

from __future__ import annotations

import re

from serein.services.s3.rules.errors import invalid_argument, refusal

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of the range asked for; None for the whole object (S3 ignores what it cannot read).

    Raises InvalidRange where nothing of it exists.
    """
    found = _RANGE.fullmatch(header.strip().replace(" ", "")) if header else None
    if found is None or header is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first == "":
        length = int(last)
        if length == 0 or size == 0:
            raise refusal("InvalidRange", ActualObjectSize=size, RangeRequested=header)
        return max(0, size - length), size
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise refusal("InvalidRange", ActualObjectSize=size, RangeRequested=header)
    return start, min(int(last) + 1, size) if last else size


def parse_copy_range(header: str | None, size: int) -> tuple[int, int]:
    """Start and end (exclusive) of what UploadPartCopy takes: both ends must be given and exist."""
    if header is None:
        return 0, size
    found = _COPY_RANGE.fullmatch(header.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            "the zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            header,
        )
    start, end = int(found[1]), int(found[2]) + 1
    if start >= size:
        raise refusal(
            "InvalidRequest", "The specified copy range is invalid for the source object size"
        )
    if end > size:
        raise invalid_argument(
            f"Range specified is not valid for source object of size: {size}",
            "x-amz-copy-source-range",
            header,
        )
    return start, end
