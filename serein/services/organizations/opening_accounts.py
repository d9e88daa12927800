"""How a new account comes to be: its role, which trusts the management account, is made in it; then it is open."""

from __future__ import annotations

import orjson
from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.kernel.calls import root_of
from serein.kernel.operations import Context, Tx
from serein.services.organizations.effects import attach_full_access, place_account
from serein.services.organizations.records import (
    ACCOUNTS,
    OPENINGS,
    ORGANIZATIONS,
    Account,
    Opening,
)

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


async def open_account(cx: Context, opening: Opening) -> Opening:
    """Make the account's role and let it join. May be done again where it was broken off."""
    organization = cx.read().get(ORGANIZATIONS, opening.organization)
    if organization is None:
        return opening
    root = root_of(opening.account)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{organization.management_account}:root"},
        "Action": "sts:AssumeRole",
    }
    trust = orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode()
    wanted = (
        ("CreateRole", {"RoleName": opening.role, "AssumeRolePolicyDocument": trust}),
        ("AttachRolePolicy", {"RoleName": opening.role, "PolicyArn": ADMINISTRATOR}),
    )
    for name, params in wanted:
        try:
            await cx.call(cx.make_call("iam", name, params, by=root))
        except AwsError as error:
            if error.code != "EntityAlreadyExists":
                raise
    return await cx.transact(_finish, opening)


def _finish(tx: Tx, opening: Opening) -> Opening:
    kept = tx.get(OPENINGS, opening.organization, opening.id)
    organization = tx.get(ORGANIZATIONS, opening.organization)
    if kept is None or organization is None or kept.completed_at is not None:
        return kept or opening
    account = Account(
        organization=organization.id,
        id=opening.account,
        name=opening.account_name,
        email=opening.email,
        parent=organization.root,
        joined_at=tx.now,
    )
    tx.put(ACCOUNTS, account)
    tx.tag(organization.arn_of("account", account.id), kept.tags)
    place_account(tx, organization, account)
    if organization.all_features:
        attach_full_access(tx, organization, account.id)
    finished = replace(kept, completed_at=tx.now)
    tx.put(OPENINGS, finished)
    return finished
