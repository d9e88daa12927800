"""Amazon DynamoDB Streams: reading what DynamoDB wrote down of changes."""

from __future__ import annotations

from serein.kernel.services import Service
from serein.services.dynamodbstreams.access import policy_of
from serein.services.dynamodbstreams.operations import streams

SERVICE = Service(
    name="dynamodbstreams", iam_prefix="dynamodb", operations=(streams,), policy_of=policy_of
)
