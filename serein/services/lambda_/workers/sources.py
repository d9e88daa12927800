"""Streams as the pollers read them: DynamoDB's and Kinesis's, behind one face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from serein.base.arn import Arn, parse_arn
from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.lambda_.rules.stream_events import (
    StreamRecord,
    change_record,
    kinesis_record,
)

READ_RECORDS_MAX = 1000


class Shard(msgspec.Struct, frozen=True):
    """A shard, and what it was split from (read first)."""

    id: str
    parents: tuple[str, ...] = ()


class Source:
    """One stream, read as whoever `acting` is."""

    def __init__(self, arn: str, role: str) -> None:
        parsed: Arn = parse_arn(arn)
        self.arn = arn
        self.region = parsed.region
        self.account = parsed.account
        self.is_kinesis = parsed.service == "kinesis"
        self._role = role
        self._service = "kinesis" if self.is_kinesis else "dynamodbstreams"

    async def shards(self, acting: Context) -> list[Shard]:
        """The stream's shards, oldest first. Raises AwsError."""
        found: list[Shard] = []
        after: str | None = None
        while True:
            params: dict[str, Any] = {self._arn_member: self.arn}
            if after is not None:
                params["ExclusiveStartShardId"] = after
            answer = await self._call(acting, "DescribeStream", params)
            described = answer["StreamDescription"]
            shards = described["Shards"]
            for shard in shards:
                parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                found.append(Shard(shard["ShardId"], tuple(p for p in parents if p)))
            more = described.get("HasMoreShards", described.get("LastEvaluatedShardId"))
            if not more or not shards:
                return found
            after = shards[-1]["ShardId"]

    async def iterator(
        self, acting: Context, shard: str, kind: str, place: str | float | None
    ) -> str:
        """Where to begin: after a sequence number, at a time, or at the oldest. Raises AwsError."""
        params: dict[str, Any] = {
            self._arn_member: self.arn,
            "ShardId": shard,
            "ShardIteratorType": kind,
        }
        if kind == "AFTER_SEQUENCE_NUMBER":
            member = "StartingSequenceNumber" if self.is_kinesis else "SequenceNumber"
            params[member] = place
        elif kind == "AT_TIMESTAMP":
            params["Timestamp"] = place
        answer = await self._call(acting, "GetShardIterator", params)
        return str(answer["ShardIterator"])

    async def read(
        self, acting: Context, shard: str, iterator: str, limit: int
    ) -> tuple[list[StreamRecord], str | None]:
        """The next records and the iterator after them; None at the shard's end. Raises AwsError."""
        params = {"ShardIterator": iterator, "Limit": min(limit, READ_RECORDS_MAX)}
        if self.is_kinesis:
            params["StreamARN"] = self.arn
        answer = await self._call(acting, "GetRecords", params)
        make: Callable[[Any], StreamRecord]
        if self.is_kinesis:
            make = lambda raw: kinesis_record(raw, self.arn, self.region, shard, self._role)  # noqa: E731
        else:
            make = lambda raw: change_record(raw, self.arn, self.region)  # noqa: E731
        return [make(raw) for raw in answer["Records"]], answer.get("NextShardIterator")

    @property
    def _arn_member(self) -> str:
        return "StreamARN" if self.is_kinesis else "StreamArn"

    async def _call(
        self, acting: Context, operation: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        return await acting.call(acting.make_call(self._service, operation, params))


def is_stale(error: AwsError) -> bool:
    """Whether only the iterator is too old: another one, from the same place, will do."""
    return "ExpiredIterator" in error.code


def is_trimmed(error: AwsError) -> bool:
    """Whether the records at that place are gone: the oldest ones have to do."""
    return "TrimmedDataAccess" in error.code or "InvalidArgument" in error.code
