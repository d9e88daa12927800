"""The table of services is what botocore's models say (all of it: `tools/generate_directory.py --check`)."""

from __future__ import annotations

import pytest

from serein.wire.data.directory import ENTRIES
from serein.wire.models import Wire


@pytest.mark.parametrize("name", ["apigatewayv2", "cloudwatch", "ec2", "s3", "ses", "sqs", "sts"])
def test_entry(name: str) -> None:
    facts = Wire().service(name).facts
    entry = next(entry for entry in ENTRIES if entry[0] == name)
    assert entry == (
        name,
        facts.signing_name,
        facts.endpoint_prefix,
        facts.target_prefix,
        facts.api_version,
        facts.protocols,
    )
