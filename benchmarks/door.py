"""The cost of one request, stage by stage, without sockets: what the door (validate + authorise + record) adds.

The house runs in this process on a durable store; a user with an identity policy signs. Each stage is repeated many
times; reported is the fastest of several rounds, in microseconds, which other load on the machine hardly changes.

usage: python benchmarks/door.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from serein.assembly import Config, House
from serein.cli.up import GARBAGE_THRESHOLD
from serein.front.connection import Connection
from serein.front.server import Server
from serein.kernel.calls import Call, root_of
from serein.kernel.operations import Read

REPEATS = 300
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TARGETS = {"dynamodb": "DynamoDB_20120810.", "sqs": "AmazonSQS."}


UNENFORCED = "whole request, nothing authorised"


class Permissive:
    """Lets everybody do everything: what enforcement costs is the difference."""

    def authorise(self, *_: object) -> None:
        """Yes."""


class Wires(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = b""

    def write(self, data: Any) -> None:
        self.written = bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False


def request_bytes(keys: Credentials, service: str, operation: str, params: dict[str, Any]) -> bytes:
    """A signed JSON request as it comes over the wire."""
    request = AWSRequest(
        method="POST",
        url="http://127.0.0.1:4566/",
        data=json.dumps(params).encode(),
        headers={
            "X-Amz-Target": TARGETS[service] + operation,
            "Content-Type": "application/x-amz-json-1.0",
        },
    )
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    made = request.prepare()
    fields = {"Host": "127.0.0.1:4566", **made.headers}
    head = "".join(
        f"{name}: {value.decode() if isinstance(value, bytes) else value}\r\n"
        for name, value in fields.items()
    )
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + made.body


def fastest(function: Callable[[], object], rounds: int) -> float:
    """Microseconds of one call in the fastest round; a round is so short that other processes rarely cut into it."""
    for _ in range(REPEATS):
        function()
    best = float("inf")
    for _ in range(rounds * 10):
        started = perf_counter()
        for _ in range(10):
            function()
        best = min(best, perf_counter() - started)
    return best / 10 * 1e6


async def prepared(house: House) -> Credentials:
    """A table with items, a queue, and a user who may do everything."""

    async def call(service: str, operation: str, **params: Any) -> dict[str, Any]:
        root = root_of(house.config.account)
        return await house.dispatch.call(
            Call(service, operation, params, root, house.context().scope)
        )

    await call("iam", "CreateUser", UserName="bench")
    await call(
        "iam", "PutUserPolicy", UserName="bench", PolicyName="all", PolicyDocument=json.dumps(ALL)
    )
    key = (await call("iam", "CreateAccessKey", UserName="bench"))["AccessKey"]
    await call(
        "dynamodb",
        "CreateTable",
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )
    for number in range(20):
        item = {
            "pk": {"S": "user"},
            "sk": {"S": f"{number:04d}"},
            "total": {"N": "42.5"},
            "note": {"S": "x" * 256},
            "tags": {"SS": ["a", "b"]},
        }
        await call("dynamodb", "PutItem", TableName="orders", Item=item)
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def stages(house: House, raw: bytes, rounds: int) -> dict[str, float]:
    """Microseconds by stage of a Read operation."""
    api = house.front._api
    server = Server(house.handle, clock=house.clock)
    wires = Wires()
    connection = Connection(server._desk)
    connection.connection_made(wires)

    def whole() -> None:
        connection.data_received(raw)

    whole()
    assert wires.written.startswith(b"HTTP/1.1 200"), wires.written[:400]
    request, _ = connection._reader._quick.take(raw, 0, "http", "127.0.0.1", 0.0)
    presented = api._credentials.read(request)
    target = api._wire.identify(request)
    operation = api._wire.operation(target)
    caller = api._credentials.check(request, presented)
    call = api._call(request, "0" * 36, operation, target, caller, request.body)
    dispatch = house.dispatch
    found = dispatch.registry.find(call.service, call.operation)
    answer = dispatch.begin(call)
    response = api._serialised(operation, target, request, answer, "0" * 36)

    def read() -> Read:
        return Read(
            house.store.snapshot(),
            call.principal,
            call.scope,
            house.clock.now(),
            house.randomness,
            house.store.blobs,
        )

    now = read()
    timed = {
        "whole request": whole,
        "http: read": lambda: connection._reader._quick.take(raw, 0, "http", "127.0.0.1", 0.0),
        "credentials: read": lambda: api._credentials.read(request),
        "credentials: check": lambda: api._credentials.check(request, presented),
        "wire: identify": lambda: api._wire.operation(api._wire.identify(request)),
        "wire: parse": lambda: operation.parse(request, request.body, target),
        "door: validate": lambda: dispatch._validate(found, call),
        "door: authorise": lambda: dispatch.authoriser.authorise(now, found, call),
        "door: record": lambda: dispatch._record(call, 0.0),
        "handler": lambda: found.spec.function(read(), call.params),
        "wire: serialise": lambda: api._serialised(operation, target, request, answer, "0" * 36),
        "http: head": lambda: server._desk.heads.encode(
            response.status, response.headers, 500, head_only=False, keep_alive=True, old=False
        ),
    }
    figures = {name: fastest(function, rounds) for name, function in timed.items()}
    enforcing, dispatch.authoriser = dispatch.authoriser, Permissive()  # type: ignore[assignment]
    figures[UNENFORCED] = fastest(whole, rounds)
    dispatch.authoriser = enforcing
    return figures


async def main() -> None:
    """Print a table of stages for a GetItem and a Query."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        house = House(Config(data=Path(folder), auth_open=False))
        await house.open()
        keys = await prepared(house)
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
        key = {"pk": {"S": "user"}, "sk": {"S": "0007"}}
        cases = {
            "GetItem": {"TableName": "orders", "Key": key},
            "Query": {
                "TableName": "orders",
                "KeyConditionExpression": "pk = :p",
                "ExpressionAttributeValues": {":p": {"S": "user"}},
            },
        }
        for name, params in cases.items():
            figures = stages(house, request_bytes(keys, "dynamodb", name, params), rounds)
            whole = figures["whole request"]
            print(f"{name}: {whole:.1f} µs without sockets")
            unenforced = figures.pop(UNENFORCED)
            for stage, took_us in list(figures.items())[1:]:
                print(f"  {stage:20s} {took_us:6.1f} µs  {took_us / whole:4.0%}")
            door = sum(took for stage, took in figures.items() if stage.startswith("door"))
            print(f"  {'the door in all':20s} {door:6.1f} µs  {door / whole:4.0%}")
            print(f"  with enforcement {whole:.1f} µs, without {unenforced:.1f} µs")
        await house.stop()


if __name__ == "__main__":
    uvloop.run(main())
