"""What DynamoDB's hot operations cost in process: the handler alone, and the whole way from request to bytes.

    python benchmarks/dynamodb.py [--data DIR] [--rounds N]

Without `--data` the memory store is used. Times are microseconds per operation, the best of five runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from serein.assembly import Config, House
from serein.kernel.calls import Call, Scope, root_of
from serein.kernel.operations import Read
from serein.services.dynamodb.operations.items import get_item
from serein.services.dynamodb.operations.queries import query
from serein.wire.http import HttpRequest, HttpResponse

ACCOUNT = "000000000000"
KEY = {"pk": {"S": "user#1"}, "sk": {"S": "order#0007"}}
ITEM = {
    **KEY,
    "total": {"N": "129.5"},
    "state": {"S": "open"},
    "tags": {"SS": ["blue", "fragile"]},
    "lines": {"L": [{"M": {"sku": {"S": "A-17"}, "count": {"N": "2"}}}]},
    "note": {"S": "x" * 200},
}
OPERATIONS: dict[str, dict[str, Any]] = {
    "GetItem": {"TableName": "bench", "Key": KEY},
    "PutItem": {"TableName": "bench", "Item": ITEM},
    "UpdateItem": {
        "TableName": "bench",
        "Key": KEY,
        "UpdateExpression": "SET #s = :s ADD visits :one",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {":s": {"S": "paid"}, ":one": {"N": "1"}},
    },
    "Query": {
        "TableName": "bench",
        "KeyConditionExpression": "pk = :p AND begins_with(sk, :o)",
        "ExpressionAttributeValues": {":p": {"S": "user#1"}, ":o": {"S": "order#"}},
        "Limit": 20,
    },
}


def signed(operation: str, params: dict[str, Any]) -> HttpRequest:
    """A request as boto3 sends it."""
    body = json.dumps(params).encode()
    request = AWSRequest(
        "POST",
        "http://127.0.0.1:4566/",
        data=body,
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Host": "127.0.0.1:4566",
        },
    )
    SigV4Auth(Credentials("test", "test"), "dynamodb", "us-east-1").add_auth(request)
    headers = [(name, str(value)) for name, value in request.headers.items()]
    headers.append(("Content-Length", str(len(body))))
    return HttpRequest(
        method="POST",
        path="/",
        query="",
        headers={name.lower(): value for name, value in headers},
        header_list=headers,
        body=body,
        scheme="http",
    )


async def best(rounds: int, run: Callable[[], Any]) -> float:
    """Microseconds a call, the best of five runs; what it returns is awaited where it must be."""
    found = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(rounds):
            answer = run()
            if not isinstance(answer, dict | HttpResponse):
                await answer
        found.append(time.perf_counter() - started)
    return min(found) / rounds * 1e6


async def together(rounds: int, run: Callable[[], Awaitable[Any]]) -> float:
    """Microseconds a call when 64 are under way at once (what group commit is for)."""
    found = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(rounds // 64 + 1):
            await asyncio.gather(*(run() for _ in range(64)))
        found.append((time.perf_counter() - started) / ((rounds // 64 + 1) * 64))
    return min(found) * 1e6


async def main() -> None:
    """Set up a table and print the table of costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=3000)
    given = parser.parse_args()
    house = House(Config(data=given.data))
    await house.open()
    scope = Scope(account=ACCOUNT, region="us-east-1", request_id="bench")
    principal = root_of(ACCOUNT)

    def call(operation: str, params: dict[str, Any]) -> Call:
        return Call("dynamodb", operation, params, principal, scope)

    create = {
        "TableName": "bench",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
    await house.dispatch.call(call("CreateTable", create))
    for number in range(20):
        item = {**ITEM, "sk": {"S": f"order#{number:04}"}}
        await house.dispatch.call(call("PutItem", {"TableName": "bench", "Item": item}))
    rounds = given.rounds
    read = Read(
        house.store.snapshot(), principal, scope, time.time(), house.randomness, house.store.blobs
    )
    print(
        f"handler  GetItem     {await best(rounds, lambda: get_item(read, OPERATIONS['GetItem'])):8.1f} µs"
    )
    print(
        f"handler  Query of 20 {await best(rounds, lambda: query(read, OPERATIONS['Query'])):8.1f} µs"
    )
    for operation, params in OPERATIONS.items():
        made = call(operation, params)
        cost = await best(rounds, lambda made=made: house.dispatch.begin(made))  # type: ignore[misc]
        print(f"dispatch {operation:12}{cost:8.1f} µs")
    for operation, params in OPERATIONS.items():
        request = signed(operation, params)
        cost = await best(rounds, lambda request=request: house.handle(request))  # type: ignore[misc]
        print(f"whole    {operation:12}{cost:8.1f} µs")
    for operation in ("PutItem", "UpdateItem"):
        request = signed(operation, OPERATIONS[operation])
        cost = await together(rounds, lambda request=request: house.handle(request))  # type: ignore[misc]
        print(f"64 at once {operation:10}{cost:8.1f} µs")
    await house.stop()


if __name__ == "__main__":
    asyncio.run(main())
