"""Whatever is made, attached, renamed and deleted in whatever order: the two orders of every relation agree, and nothing is orphaned."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serein.base.errors import AwsError
from serein.services.iam.records import (
    ACCESS_KEYS,
    ATTACHED_TO,
    ATTACHMENTS,
    GROUPS,
    GROUPS_OF,
    INLINE,
    KEYS_OF,
    MEMBERS,
    POLICIES,
    ROLES,
    USERS,
    VERSIONS,
)
from tests.cloud import Cloud

ACCOUNT = "000000000000"
TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}}'
DOCUMENT = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'
NAMES = st.sampled_from(["a", "A", "b"])
KINDS = st.sampled_from(["User", "Group", "Role"])
POLICY_NAMES = st.sampled_from(["p", "q"])


class Relations(RuleBasedStateMachine):
    """Random calls; those that AWS refuses change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud()
        self.context = self.cloud.context()

    def teardown(self) -> None:
        self.cloud.close()

    def call(self, operation: str, **params: Any) -> None:
        try:
            self.cloud.run(self.context.call(self.context.make_call("iam", operation, params)))
        except AwsError as error:
            if error.status >= 500:
                raise

    @rule(kind=KINDS, name=NAMES)
    def create(self, kind: str, name: str) -> None:
        more = {"AssumeRolePolicyDocument": TRUST} if kind == "Role" else {}
        self.call(f"Create{kind}", **{f"{kind}Name": name}, **more)

    @rule(kind=KINDS, name=NAMES)
    def delete(self, kind: str, name: str) -> None:
        self.call(f"Delete{kind}", **{f"{kind}Name": name})

    @rule(kind=st.sampled_from(["User", "Group"]), name=NAMES, new=NAMES)
    def rename(self, kind: str, name: str, new: str) -> None:
        self.call(f"Update{kind}", **{f"{kind}Name": name, f"New{kind}Name": new})

    @rule(name=POLICY_NAMES)
    def create_policy(self, name: str) -> None:
        self.call("CreatePolicy", PolicyName=name, PolicyDocument=DOCUMENT)

    @rule(name=POLICY_NAMES)
    def delete_policy(self, name: str) -> None:
        self.call("DeletePolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{name}")

    @rule(
        kind=KINDS,
        name=NAMES,
        policy=POLICY_NAMES,
        verb=st.sampled_from(["Attach", "Attach", "Detach"]),
    )
    def attach(self, kind: str, name: str, policy: str, verb: str) -> None:
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{policy}"
        self.call(f"{verb}{kind}Policy", **{f"{kind}Name": name}, PolicyArn=arn)

    @rule(kind=KINDS, name=NAMES, policy=POLICY_NAMES, verb=st.sampled_from(["Put", "Delete"]))
    def inline(self, kind: str, name: str, policy: str, verb: str) -> None:
        more = {"PolicyDocument": DOCUMENT} if verb == "Put" else {}
        self.call(f"{verb}{kind}Policy", **{f"{kind}Name": name}, PolicyName=policy, **more)

    @rule(
        user=NAMES, group=NAMES, verb=st.sampled_from(["AddUserTo", "AddUserTo", "RemoveUserFrom"])
    )
    def membership(self, user: str, group: str, verb: str) -> None:
        self.call(f"{verb}Group", UserName=user, GroupName=group)

    @rule(user=NAMES)
    def key(self, user: str) -> None:
        self.call("CreateAccessKey", UserName=user)

    @invariant()
    def both_orders_agree(self) -> None:
        look = self.cloud.house.store.snapshot()
        attached = {(a.kind, a.owner, a.arn) for a in look.scan(ATTACHMENTS)}
        assert attached == {(a.kind, a.owner, a.arn) for a in look.scan(ATTACHED_TO)}
        members = {(m.group, m.user) for m in look.scan(MEMBERS)}
        assert members == {(m.group, m.user) for m in look.scan(GROUPS_OF)}
        assert set(look.scan(ACCESS_KEYS)) == set(look.scan(KEYS_OF))

    @invariant()
    def nothing_is_orphaned(self) -> None:
        look = self.cloud.house.store.snapshot()
        owners = {
            "user": {user.name for user in look.scan(USERS)},
            "group": {group.name for group in look.scan(GROUPS)},
            "role": {role.name for role in look.scan(ROLES)},
        }
        policies = {policy.arn for policy in look.scan(POLICIES)}
        for attached in look.scan(ATTACHMENTS):
            assert attached.owner in owners[attached.kind]
            assert attached.arn in policies
        for inline in look.scan(INLINE):
            assert inline.owner in owners[inline.kind]
        for member in look.scan(MEMBERS):
            assert member.user in owners["user"]
            assert member.group in owners["group"]
        assert {key.user for key in look.scan(KEYS_OF)} <= owners["user"]
        assert {version.arn for version in look.scan(VERSIONS)} == policies


Relations.TestCase.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRelations = Relations.TestCase
