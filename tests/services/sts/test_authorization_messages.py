"""Encoded refusals: opaque, authenticated, of this house alone."""

from __future__ import annotations

import base64
import json

import pytest

from serein.base.ids import SeededRandomness
from serein.contracts.authorization_messages import decoded_or_none, encoded, refusal
from serein.contracts.sessions import KEYS, first_key
from tests.cloud import Cloud


@pytest.fixture
def message(cloud: Cloud) -> str:
    """A message of this house."""
    randomness = SeededRandomness(3)
    key = first_key(randomness, 0.0)
    cloud.run(cloud.house.store.transact(lambda tx: tx.put(KEYS, key)))
    text = refusal(
        principal_id="AIDA",
        principal_arn="arn:aws:iam::000000000000:user/bob",
        action="ec2:RunInstances",
        resource="*",
        explicit_deny=False,
    )
    return encoded(key, text, randomness)


def test_sts_decodes_it(cloud: Cloud, message: str) -> None:
    """Members as in https://docs.aws.amazon.com/cli/latest/reference/sts/decode-authorization-message.html"""
    answer = cloud.client("sts").decode_authorization_message(EncodedMessage=message)
    told = json.loads(answer["DecodedMessage"])
    assert told["allowed"] is False
    assert told["context"]["principal"]["name"] == "bob"
    assert told["context"]["action"] == "ec2:RunInstances"


def test_what_is_none(cloud: Cloud, message: str) -> None:
    snapshot = cloud.house.store.snapshot()
    raw = bytearray(base64.urlsafe_b64decode(message))
    raw[-1] ^= 1
    altered = base64.urlsafe_b64encode(bytes(raw)).decode()
    for text in ("", "x", "é", altered, message[:-8], "A" * 20_000):
        assert decoded_or_none(snapshot, text) is None
    assert decoded_or_none(snapshot, message) is not None
