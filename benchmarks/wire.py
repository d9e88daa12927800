"""What the wire costs per call, in microseconds: identify, parse, validate, serialise. `python benchmarks/wire.py`"""

from __future__ import annotations

import resource
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serein.wire.http import HttpRequest
from serein.wire.models import Wire

ROUNDS = 20_000


def micros(work: Callable[[], Any]) -> float:
    """The best of five, per call."""
    return min(timeit.repeat(work, number=ROUNDS, repeat=5)) / ROUNDS * 1e6


def json_request(target: str, body: Any) -> HttpRequest:
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}
    return HttpRequest("POST", "/", "", headers, [], orjson.dumps(body))


SIGNED_S3 = {"authorization": "AWS4-HMAC-SHA256 Credential=A/20250101/us-east-1/s3/aws4_request"}
KEY = {"pk": {"S": "user#1"}, "sk": {"S": "order#1"}}
CASES: list[tuple[str, HttpRequest, dict[str, Any]]] = [
    (
        "dynamodb GetItem",
        json_request("DynamoDB_20120810.GetItem", {"TableName": "orders", "Key": KEY}),
        {"Item": orjson.Fragment(b'{"pk":{"S":"user#1"},"sk":{"S":"order#1"},"n":{"N":"1"}}')},
    ),
    (
        "dynamodb PutItem",
        json_request("DynamoDB_20120810.PutItem", {"TableName": "orders", "Item": KEY}),
        {},
    ),
    (
        "sqs SendMessage",
        json_request("AmazonSQS.SendMessage", {"QueueUrl": "http://x/1/q", "MessageBody": "hi"}),
        {"MessageId": "m", "MD5OfMessageBody": "d"},
    ),
    (
        "s3 GetObject",
        HttpRequest("GET", "/bucket/some/key", "", SIGNED_S3, []),
        {"Body": b"x", "ETag": '"e"', "ContentLength": 1, "LastModified": 1.7e9},
    ),
    (
        "s3 PutObject",
        HttpRequest("PUT", "/bucket/some/key", "", SIGNED_S3, [], b"x"),
        {"ETag": '"e"'},
    ),
]


def main() -> None:
    wire = Wire(["dynamodb", "sqs", "s3"])
    print(f"{'':20}{'identify':>10}{'parse':>10}{'validate':>10}{'serialise':>10}")
    for name, request, result in CASES:
        target = wire.identify(request)
        operation = wire.operation(target)
        body = request.body
        params = operation.parse(request, body, target)
        assert operation.validate(params) == []
        costs = [
            micros(lambda r=request: wire.identify(r)),
            micros(lambda o=operation, r=request, b=body, t=target: o.parse(r, b, t)),
            micros(lambda o=operation, p=params: o.validate(p)),
            micros(lambda o=operation, r=result, t=target: o.serialise(r, "id", t.protocol)),
        ]
        print(f"{name:20}" + "".join(f"{cost:10.2f}" for cost in costs))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
