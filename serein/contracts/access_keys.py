"""Access keys, as IAM and STS both make them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""

from __future__ import annotations

import base64
import zlib

from serein.base.ids import Randomness

_SECRET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def access_key_id(prefix: str, account: str, randomness: Randomness) -> str:
    """`AKIA…` or `ASIA…`, 20 characters, with the account in it as AWS has it (GetAccessKeyInfo reads it back)."""
    number = int(account) << 7 | randomness.token(1)[0] & 0x7F
    packed = (number | 1 << 47).to_bytes(6, "big") + randomness.token(4)
    return prefix + base64.b32encode(packed).decode()


def session_key_id(account: str, randomness: Randomness) -> str:
    """An `ASIA…` key whose last letters check the others, so that ours are known without a look-up."""
    packed = base64.b32decode(access_key_id("ASIA", account, randomness)[4:])[:8]
    return "ASIA" + base64.b32encode(packed + _check_of(packed)).decode()


def is_own_session_key(key: str) -> bool:
    """Whether `session_key_id` made this key (a stranger's passes once in 65,536)."""
    if not key.startswith("ASIA") or len(key) != 20:
        return False
    try:
        packed = base64.b32decode(key[4:])
    except ValueError:
        return False
    return packed[8:] == _check_of(packed[:8])


def _check_of(packed: bytes) -> bytes:
    return (zlib.crc32(packed) & 0xFFFF).to_bytes(2, "big")


def account_of_key(key: str) -> str | None:
    """The account that an access key id names, or None when it cannot be one."""
    try:
        packed = base64.b32decode(key[4:20])
    except ValueError:
        return None
    if len(packed) < 6:
        return None
    account = (int.from_bytes(packed[:6], "big") & 0x7FFF_FFFF_FF80) >> 7
    return f"{account:012d}" if account < 10**12 else None


def secret_key(randomness: Randomness) -> str:
    """A secret access key, 40 characters."""
    return "".join(_SECRET[byte & 63] for byte in randomness.token(40))
