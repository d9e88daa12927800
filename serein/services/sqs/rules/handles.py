"""Receipt handles: where a received message stands, and at which of its receives."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

import msgspec

from serein.services.sqs.model import ReceiptHandleIsInvalid
from serein.services.sqs.records import Message


class Handle(msgspec.Struct, frozen=True, array_like=True):
    """What a receipt handle carries."""

    queue: str
    message: str
    visible_at: float
    order: int
    receive_count: int
    group: str


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Handle)


def handle_of(message: Message) -> str:
    """The receipt handle of a message just received."""
    handle = Handle(
        message.queue,
        message.id,
        message.visible_at,
        message.order,
        message.receive_count,
        message.group,
    )
    return b2a_base64(_ENCODER.encode(handle), newline=False).decode("ascii")


def read_handle(text: str, queue: str) -> Handle:
    """What a handle for the queue with this id says. Raises ReceiptHandleIsInvalid."""
    try:
        handle = _DECODER.decode(a2b_base64(text.encode("ascii"), strict_mode=True))
    except (Base64Error, ValueError, msgspec.DecodeError):
        raise _invalid(text) from None
    if handle.queue != queue:
        raise _invalid(text)
    return handle


def _invalid(text: str) -> ReceiptHandleIsInvalid:
    return ReceiptHandleIsInvalid(
        f'The input receipt handle "{text[:1024]}" is not a valid receipt handle.'
    )
