"""multipart/form-data as browsers send it: small fields first, then the file, read as it comes.

https://www.rfc-editor.org/rfc/rfc7578
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from serein.services.s3.rules.errors import invalid_argument, refusal

FIELDS_BYTES_MAX = 20 * 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html"""
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_PARAMETER = re.compile(r'(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type names. Raises PreconditionFailed when it is no form, MalformedPOSTRequest."""
    if not content_type.lower().startswith("multipart/form-data"):
        raise refusal(
            "PreconditionFailed",
            Condition="Bucket POST must be of the enclosure-type multipart/form-data",
        )
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise malformed()
    return found[1] or found[2]


def malformed() -> Exception:
    """The refusal of a body that is no form."""
    return refusal(
        "MalformedPOSTRequest",
        "The body of your POST request is not well-formed multipart/form-data.",
    )


class Form:
    """A form being read: `await read_fields()`, then iterate `file()`. Holds no more than a piece of the file."""

    def __init__(self, body: AsyncIterator[bytes], boundary: str) -> None:
        self._body = body
        self._delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
        # As if the body began with a line end: then the first delimiter is like the others.
        self._buffer = b"\r\n"
        self._left = FIELDS_BYTES_MAX
        self.fields: dict[str, str] = {}
        self.filename = ""

    async def read_fields(self) -> None:
        """Read up to where the file's bytes begin. Raises MalformedPOSTRequest, and when there is no file."""
        await self._read_until(self._delimiter)
        while True:
            mark = await self._take(2)
            if mark == b"--":
                raise invalid_argument(
                    "POST requires exactly one file upload per request.", "file", 0
                )
            if mark != b"\r\n":
                raise malformed()
            # An empty header block would need no blank line of its own.
            head = await self._read_until(b"\r\n\r\n")
            parameters = dict(_PARAMETER.findall(head.decode("utf-8", "replace")))
            name = parameters.get("name", "").lower()
            if name == "file":
                self.filename = parameters.get("filename", "")
                return
            value = await self._read_until(self._delimiter)
            self.fields[name] = value.decode("utf-8", "replace")

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises MalformedPOSTRequest when the body ends before the file does."""
        keep = len(self._delimiter) - 1
        while True:
            at = self._buffer.find(self._delimiter)
            if at >= 0:
                if at:
                    yield self._buffer[:at]
                return
            ready = len(self._buffer) - keep
            if ready > 0:
                yield self._buffer[:ready]
                self._buffer = self._buffer[ready:]
            await self._more()

    async def _more(self) -> None:
        part = await anext(self._body, None)
        if part is None:
            raise malformed()
        self._buffer += part

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def _read_until(self, mark: bytes) -> bytes:
        """What stands before `mark`, which is passed over. Raises when the fields are too long."""
        while (at := self._buffer.find(mark)) < 0 and len(self._buffer) <= self._left:
            await self._more()
        if at < 0 or at > self._left:
            raise refusal(
                "MaxPostPreDataLengthExceededError",
                "Your POST request fields preceding the upload file was too large.",
            )
        self._left -= at
        before = self._buffer[:at]
        self._buffer = self._buffer[at + len(mark) :]
        return before
