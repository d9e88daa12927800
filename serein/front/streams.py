"""Bodies that are unframed from aws-chunked while they pass."""

from __future__ import annotations

from collections.abc import AsyncIterator

from serein.wire.sigv4.chunks import ChunkDecoder, decoded_body
from serein.wire.sigv4.credentials import Presented


class DecodedBody:
    """A body without its aws-chunked framing. `trailers` (lower-case names) are complete once it has ended."""

    def __init__(self, body: AsyncIterator[bytes], decoder: ChunkDecoder) -> None:
        self._decoder = decoder
        self._pieces = decoded_body(body, decoder)

    @property
    def trailers(self) -> dict[str, str]:
        return self._decoder.trailers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def __anext__(self) -> bytes:
        return await self._pieces.__anext__()


def declared_sha256(presented: Presented | None) -> str:
    """The digest that a request's signature covers; "" when it covers none."""
    declared = presented.payload_sha256 if presented is not None else ""
    return declared if len(declared) == 64 else ""
