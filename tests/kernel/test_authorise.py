"""What the door remembers of its verdicts never outlives what they followed from."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from serein.base.errors import AwsError
from serein.engines.policy import Policy, parse_policy
from serein.kernel.calls import Call, Principal
from serein.kernel.identities import PrincipalPolicies
from serein.kernel.operations import Read, operation
from tests.kernel.small_house import ACCOUNT, SCOPE, SmallHouse

ANN = Principal(kind="user", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/ann", id="AIDA1")


@operation("Look", unvalidated=True)
def look(read: Read, request: dict[str, Any]) -> dict[str, Any]:
    return {}


def policy(*statements: dict[str, Any]) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, "identity")


ALLOW = {"Effect": "Allow", "Action": "notes:*", "Resource": "*"}
DENY = {"Effect": "Deny", "Action": "notes:*", "Resource": "*"}


def from_address(ip: str) -> Call:
    scope = msgspec.structs.replace(SCOPE, source_ip=ip)
    return Call("notes", "Look", {}, ANN, scope)


def test_a_verdict_that_asked_for_circumstances_is_judged_anew() -> None:
    async def story() -> None:
        house = SmallHouse(look)
        await house.store.open()
        far = {**DENY, "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
        house.identities.policies = PrincipalPolicies(identity=(policy(ALLOW, far),))
        house.dispatch.begin(from_address("10.1.2.3"))
        with pytest.raises(AwsError, match="explicit deny"):
            house.dispatch.begin(from_address("192.0.2.1"))
        house.dispatch.begin(from_address("10.1.2.3"))

    asyncio.run(story())


def test_changed_policies_hold_at_once() -> None:
    async def story() -> None:
        house = SmallHouse(look)
        await house.store.open()
        house.identities.policies = PrincipalPolicies(identity=(policy(ALLOW),))
        house.dispatch.begin(house.call("Look", by=ANN))
        house.identities.policies = PrincipalPolicies(identity=(policy(ALLOW, DENY),))
        with pytest.raises(AwsError, match="explicit deny"):
            house.dispatch.begin(house.call("Look", by=ANN))
        house.identities.policies = PrincipalPolicies(identity=())
        with pytest.raises(AwsError, match="no identity-based policy"):
            house.dispatch.begin(house.call("Look", by=ANN))

    asyncio.run(story())


def test_another_session_of_the_same_name_is_another_principal() -> None:
    async def story() -> None:
        house = SmallHouse(look)
        await house.store.open()
        mine = {**ALLOW, "Condition": {"StringEquals": {"aws:userid": "AIDA1"}}}
        house.identities.policies = PrincipalPolicies(identity=(policy(mine),))
        house.dispatch.begin(house.call("Look", by=ANN))
        other = msgspec.structs.replace(ANN, id="AIDA2")
        with pytest.raises(AwsError):
            house.dispatch.begin(house.call("Look", by=other))

    asyncio.run(story())
