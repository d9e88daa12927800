"""What a warm decision costs, in microseconds: `python benchmarks/policy.py`.

Roles with 1, 10 and 100 policies of five statements each; conditions and variables; control policies; and the whole question that
the door asks of a GetItem (facts gathered, verdict remembered where it can be), against none (`unauthorised`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import orjson

from serein.assembly import Config, House
from serein.engines.policy import Policy, PolicySet, Request, decide, parse_policy
from serein.kernel.calls import Call, Principal, root_of

ROUNDS = 20_000
SERVICES = ("dynamodb", "sqs", "kinesis", "logs", "lambda")
ROLE = "arn:aws:iam::123456789012:role/worker"


def role_policies(count: int) -> list[Policy]:
    """Policies of five statements each, as functions' roles have them."""
    return [
        parse_policy(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": f"{service}{index}",
                        "Effect": "Allow",
                        "Action": [f"{service}:Get*", f"{service}:Put*", f"{service}:List*"],
                        "Resource": f"arn:aws:{service}:us-east-1:123456789012:thing/{index}-*",
                    }
                    for service in SERVICES
                ],
            },
            "identity",
            name=f"policy-{index}",
        )
        for index in range(count)
    ]


def with_condition() -> Policy:
    """A statement that asks for a tag and an address."""
    return parse_policy(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Action": "dynamodb:GetItem",
                "Resource": "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}-*",
                "Condition": {
                    "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                    "StringEquals": {"aws:PrincipalTag/team": ["red", "blue"]},
                },
            },
        },
        "identity",
    )


def everything() -> Policy:
    """FullAWSAccess, as every level of an organization has it."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return parse_policy({"Version": "2012-10-17", "Statement": statement}, "scp")


def ask(resource: str) -> Request:
    """A role's session asks for an item."""
    context = {"aws:sourceip": ("10.1.2.3",), "aws:principaltag/team": ("red",)}
    return Request(
        action="dynamodb:GetItem",
        resource=resource,
        kind="role",
        arn="arn:aws:sts::123456789012:assumed-role/worker/session",
        account="123456789012",
        role_arn=ROLE,
        context=context.get,
    )


async def door() -> None:
    """The door's question for a root user, a user, one with conditions on its address, one with conditions on its keys."""
    house = House(Config(data=None))
    await house.open()
    cx = house.context()

    async def call(service: str, operation: str, **params: object) -> dict[str, Any]:
        return await cx.call(cx.make_call(service, operation, params))

    await call(
        "dynamodb",
        "CreateTable",
        TableName="orders",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    callers: dict[str, Principal] = {"the root user": root_of(cx.account)}
    for name, condition in (
        ("a user", {}),
        ("a user from an address", {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
        ("a user of own items", {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a"]}}),
    ):
        user = name.replace(" ", "-")
        made = (await call("iam", "CreateUser", UserName=user))["User"]
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
        document = orjson.dumps({"Version": "2012-10-17", "Statement": statement}).decode()
        await call("iam", "PutUserPolicy", UserName=user, PolicyName="p", PolicyDocument=document)
        callers[name] = Principal(
            kind="user", account=cx.account, arn=made["Arn"], id=made["UserId"], access_key=user
        )
    authorise = house.dispatch.authoriser.authorise
    found = house.registry.find("dynamodb", "GetItem")
    free = msgspec.structs.replace(
        found, spec=msgspec.structs.replace(found.spec, unauthorised=True)
    )
    scope = msgspec.structs.replace(cx.scope, source_ip="127.0.0.1")
    params = {"TableName": "orders", "Key": {"k": {"S": "a"}}}
    for name, caller in callers.items():
        asked = Call("dynamodb", "GetItem", params, caller, scope)
        read = house.dispatch.read_now(caller, scope)
        measure(f"the door: {name}", lambda: authorise(read, found, asked) is None)
    measure("the door: no question", lambda: authorise(read, free, asked) is None)
    await house.stop()


def measure(name: str, decide_once: Callable[[], bool]) -> None:
    """Print the best mean of five."""
    assert decide_once()
    best = float("inf")
    for _ in range(5):
        begun = perf_counter()
        for _ in range(ROUNDS // 5):
            decide_once()
        best = min(best, (perf_counter() - begun) / (ROUNDS // 5))
    print(f"{name:48} {best * 1e6:7.2f} µs")


def main() -> None:
    for count in (1, 10, 100):
        policies = PolicySet(role_policies(count))
        first = ask("arn:aws:dynamodb:us-east-1:123456789012:thing/0-orders")
        last = ask(f"arn:aws:dynamodb:us-east-1:123456789012:thing/{count - 1}-orders")
        measure(f"{count} policies, the first allows", lambda: decide(first, policies).allowed)
        measure(f"{count} policies, the last allows", lambda: decide(last, policies).allowed)
    table = ask("arn:aws:dynamodb:us-east-1:123456789012:table/red-orders")
    conditioned = PolicySet([with_condition()])
    measure("variable, tag and address", lambda: decide(table, conditioned).allowed)
    levels = [PolicySet([everything()]) for _ in range(3)]
    ten = PolicySet(role_policies(10))
    near = ask("arn:aws:dynamodb:us-east-1:123456789012:thing/0-orders")
    measure("10 policies under 3 levels of control", lambda: decide(near, ten, scps=levels).allowed)
    asyncio.run(door())
    begun = perf_counter()
    for _ in range(50):
        role_policies(10)
    print(f"{'compiling 50 statements':48} {(perf_counter() - begun) / 50 * 1e6:7.0f} µs")


if __name__ == "__main__":
    main()
