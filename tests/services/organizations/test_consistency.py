"""Whatever is done to the tree and its policies: what the door is told is what the API shows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serein.base.errors import AwsError
from serein.contracts.organization import (
    CONTROLS,
    SERVICE_CONTROL_POLICY,
    controls_of,
    place_or_none,
)
from tests.cloud import Cloud

NUMBERS = st.integers(min_value=0, max_value=5)


class Tree(RuleBasedStateMachine):
    """Accounts, units and policies come, move and go. Expected refusals are passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud()
        self.units: list[str] = []
        self.accounts: list[str] = []
        self.policies: list[str] = []
        self.made = 0
        self.call("CreateOrganization")
        self.root = self.call("ListRoots")["Roots"][0]["Id"]

    def teardown(self) -> None:
        self.cloud.close()

    def call(self, name: str, **params: Any) -> Any:
        context = self.cloud.context()
        return self.cloud.run(context.call(context.make_call("organizations", name, params)))

    def tried(self, name: str, **params: Any) -> Any:
        try:
            return self.call(name, **params)
        except AwsError as error:
            if error.status >= 500:
                raise
            return None

    def parent(self, number: int) -> str:
        return ([self.root, *self.units])[number % (len(self.units) + 1)]

    def target(self, number: int) -> str:
        targets = [self.root, *self.units, *self.accounts]
        return targets[number % len(targets)]

    @rule(number=NUMBERS)
    def make_unit(self, number: int) -> None:
        self.made += 1
        made = self.tried(
            "CreateOrganizationalUnit", ParentId=self.parent(number), Name=str(self.made)
        )
        if made:
            self.units.append(made["OrganizationalUnit"]["Id"])

    @rule()
    def make_account(self) -> None:
        self.made += 1
        made = self.call(
            "CreateAccount", Email=f"{self.made}@example.com", AccountName=str(self.made)
        )
        self.accounts.append(made["CreateAccountStatus"]["AccountId"])

    @rule(effect=st.sampled_from(["Allow", "Deny"]))
    def make_policy(self, effect: str) -> None:
        self.made += 1
        statement = {"Effect": effect, "Action": "*", "Resource": "*"}
        made = self.call(
            "CreatePolicy",
            Name=str(self.made),
            Description="",
            Type=SERVICE_CONTROL_POLICY,
            Content=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        self.policies.append(made["Policy"]["PolicySummary"]["Id"])

    @precondition(lambda self: self.policies)
    @rule(policy=NUMBERS, at=NUMBERS, operation=st.sampled_from(["AttachPolicy", "DetachPolicy"]))
    def hang(self, policy: int, at: int, operation: str) -> None:
        id = self.policies[policy % len(self.policies)]
        self.tried(operation, PolicyId=id, TargetId=self.target(at))

    @rule(at=NUMBERS)
    def take_full_access_off(self, at: int) -> None:
        self.tried("DetachPolicy", PolicyId="p-FullAWSAccess", TargetId=self.target(at))

    @rule(operation=st.sampled_from(["EnablePolicyType", "DisablePolicyType"]))
    def switch(self, operation: str) -> None:
        self.tried(operation, RootId=self.root, PolicyType=SERVICE_CONTROL_POLICY)

    @precondition(lambda self: self.accounts)
    @rule(account=NUMBERS, source=NUMBERS, destination=NUMBERS)
    def move(self, account: int, source: int, destination: int) -> None:
        self.tried(
            "MoveAccount",
            AccountId=self.accounts[account % len(self.accounts)],
            SourceParentId=self.parent(source),
            DestinationParentId=self.parent(destination),
        )

    @precondition(lambda self: self.policies)
    @rule(policy=NUMBERS)
    def change_policy(self, policy: int) -> None:
        self.made += 1
        statement = {"Sid": f"n{self.made}", "Effect": "Deny", "Action": "*", "Resource": "*"}
        content = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        id = self.policies[policy % len(self.policies)]
        self.call("UpdatePolicy", PolicyId=id, Content=content)

    @precondition(lambda self: self.units)
    @rule(number=NUMBERS)
    def remove_unit(self, number: int) -> None:
        id = self.units[number % len(self.units)]
        if self.tried("DeleteOrganizationalUnit", OrganizationalUnitId=id) is not None:
            self.units.remove(id)

    @precondition(lambda self: self.accounts)
    @rule(number=NUMBERS)
    def let_go(self, number: int) -> None:
        id = self.accounts[number % len(self.accounts)]
        self.call("RemoveAccountFromOrganization", AccountId=id)
        self.accounts.remove(id)
        assert place_or_none(self.cloud.house.store.snapshot(), id) is None

    @invariant()
    def the_door_knows(self) -> None:
        snapshot = self.cloud.house.store.snapshot()
        types = self.call("ListRoots")["Roots"][0]["PolicyTypes"]
        for account in self.accounts:
            place = place_or_none(snapshot, account)
            assert place is not None
            told = controls_of(snapshot, place, SERVICE_CONTROL_POLICY)
            shown = self.shown(account) if types else ()
            assert [sorted((c.arn, c.document) for c in level) for level in told] == list(shown)
        targets = {self.root, *self.units, *self.accounts, self.cloud.account}
        assert {control.target for control in snapshot.scan(CONTROLS)} <= targets

    def shown(self, account: str) -> list[list[tuple[str, str]]]:
        """Level by level from the root, as the API has it."""
        path = [account]
        while path[-1] != self.root:
            path.append(self.call("ListParents", ChildId=path[-1])["Parents"][0]["Id"])
        levels = []
        for target in reversed(path):
            listed = self.call(
                "ListPoliciesForTarget", TargetId=target, Filter=SERVICE_CONTROL_POLICY
            )["Policies"]
            levels.append(
                sorted(
                    (
                        each["Arn"],
                        self.call("DescribePolicy", PolicyId=each["Id"])["Policy"]["Content"],
                    )
                    for each in listed
                )
            )
        return levels


Tree.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestTree = Tree.TestCase
