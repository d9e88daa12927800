"""Access keys of users.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.contracts.access_keys import access_key_id, secret_key
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import (
    Answer,
    Request,
    find_user,
    is_root,
    name_or_own,
    on_user,
    page,
)
from serein.services.iam.model import LimitExceededException, NoSuchEntityException
from serein.services.iam.records import ACCESS_KEYS, KEY_USES, KEYS_OF, ROOT, AccessKey

KEYS_MAX = 2


def _status(key: AccessKey) -> str:
    return "Active" if key.active else "Inactive"


def _owner(read: Read, request: Request) -> str:
    """The name of the keys' user; "" for the account's root, which means itself when it names nobody."""
    if request.get("UserName") is None and is_root(read.principal):
        return ROOT
    return find_user(read, name_or_own(read, request)).name


def _show(key: AccessKey) -> Answer:
    return {
        "UserName": key.user or None,
        "AccessKeyId": key.id,
        "Status": _status(key),
        "CreateDate": key.created_at,
    }


@operation("CreateAccessKey", on=on_user)
def create_access_key(tx: Tx, request: Request) -> Answer:
    """A new key of a user, or of the account's root; the only time its secret is told.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
    """
    owner = _owner(tx, request)
    if tx.count(KEYS_OF, (tx.account, owner.lower())) >= KEYS_MAX:
        raise LimitExceededException(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}")
    key = AccessKey(
        id=access_key_id("AKIA", tx.account, tx.randomness),
        account=tx.account,
        user=owner,
        secret=secret_key(tx.randomness),
        created_at=float(int(tx.now)),
    )
    tx.put(ACCESS_KEYS, key)
    tx.put(KEYS_OF, key)
    return {"AccessKey": {**_show(key), "SecretAccessKey": key.secret}}


@operation("ListAccessKeys", on=on_user)
def list_access_keys(read: Read, request: Request) -> Answer:
    """A user's keys, without their secrets."""
    keys = read.scan(KEYS_OF, (read.account, _owner(read, request).lower()))
    return page("access_keys", "AccessKeyMetadata", keys, request, _show, lambda key: key.id)


def _find_key(read: Read, request: Request) -> AccessKey:
    owner = _owner(read, request)
    key = read.get(KEYS_OF, read.account, owner.lower(), request["AccessKeyId"])
    if key is None:
        raise NoSuchEntityException(
            f"The Access Key with id {request['AccessKeyId']} cannot be found."
        )
    return key


@operation("UpdateAccessKey", on=on_user)
def update_access_key(tx: Tx, request: Request) -> Answer:
    """Switch a key on or off."""
    key = replace(_find_key(tx, request), active=request["Status"] == "Active")
    tx.put(ACCESS_KEYS, key)
    tx.put(KEYS_OF, key)
    return {}


@operation("DeleteAccessKey", on=on_user)
def delete_access_key(tx: Tx, request: Request) -> Answer:
    """Remove a key; from then on nobody can sign with it."""
    key = _find_key(tx, request)
    tx.delete(ACCESS_KEYS, key.id)
    tx.delete(KEYS_OF, tx.account, key.user.lower(), key.id)
    tx.delete(KEY_USES, key.id)
    return {}


@operation("GetAccessKeyLastUsed")
def get_access_key_last_used(read: Read, request: Request) -> Answer:
    """When, where and for what a key was last used (told with a minute's delay).

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
    """
    key = read.get(ACCESS_KEYS, request["AccessKeyId"])
    if key is None or key.account != read.account:
        raise NoSuchEntityException(
            f"The Access Key with id {request['AccessKeyId']} cannot be found."
        )
    use = read.get(KEY_USES, key.id)
    if use is None:
        last: Answer = {"ServiceName": "N/A", "Region": "N/A"}
    else:
        last = {"LastUsedDate": use.at, "ServiceName": use.service, "Region": use.region}
    return {"UserName": key.user or None, "AccessKeyLastUsed": last}
