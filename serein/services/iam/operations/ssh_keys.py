"""Public SSH keys of users (for CodeCommit, which is not here: they are checked, kept and told).

https://docs.aws.amazon.com/IAM/latest/APIReference/API_UploadSSHPublicKey.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from serein.base.later import later
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
from serein.services.iam.model import (
    DuplicateSSHPublicKeyException,
    LimitExceededException,
    NoSuchEntityException,
    UnrecognizedPublicKeyEncodingException,
)
from serein.services.iam.records import SSH_KEYS, SshKey
from serein.services.iam.rules.ids import unique_id

if TYPE_CHECKING:
    from serein.services.iam.rules import certificates
else:
    # X.509 is loaded with the first certificate or key.
    certificates = later("serein.services.iam.rules.certificates")

KEYS_MAX = 5


def _show(key: SshKey) -> Answer:
    return {
        "UserName": key.user,
        "SSHPublicKeyId": key.id,
        "Status": "Active" if key.active else "Inactive",
        "UploadDate": key.uploaded_at,
    }


def _find(read: Read, request: Request) -> SshKey:
    user = find_user(read, name_or_own(read, request))
    id = request["SSHPublicKeyId"]
    found = read.get(SSH_KEYS, read.account, user.name.lower(), id)
    if found is None:
        raise NoSuchEntityException(f"The Public Key with id {id} cannot be found.")
    return found


@operation("UploadSSHPublicKey", on=on_user)
def upload_ssh_public_key(tx: Tx, request: Request) -> Answer:
    """Keep a user's key."""
    user = find_user(tx, request["UserName"])
    body = request["SSHPublicKeyBody"].strip()
    _, fingerprint = certificates.read_ssh_key(body)
    kept = list(tx.scan(SSH_KEYS, (tx.account, user.name.lower())))
    if any(key.fingerprint == fingerprint for key in kept):
        raise DuplicateSSHPublicKeyException(
            f"The SSH public key is already associated with the user {user.name}."
        )
    if len(kept) >= KEYS_MAX:
        raise LimitExceededException(f"Cannot exceed quota for SSHPublicKeysPerUser: {KEYS_MAX}")
    key = SshKey(
        account=tx.account,
        user=user.name,
        id=unique_id("APKA", tx.randomness)[:20],
        body=body,
        fingerprint=fingerprint,
        uploaded_at=float(int(tx.now)),
    )
    tx.put(SSH_KEYS, key)
    return {"SSHPublicKey": {**_show(key), "Fingerprint": fingerprint, "SSHPublicKeyBody": body}}


@operation("GetSSHPublicKey", on=on_user)
def get_ssh_public_key(read: Read, request: Request) -> Answer:
    """A user's key, in the encoding asked for."""
    if request["Encoding"] not in ("SSH", "PEM"):
        raise UnrecognizedPublicKeyEncodingException(
            f"The encoding {request['Encoding']} is not recognized."
        )
    kept = _find(read, request)
    is_ssh = request["Encoding"] == "SSH"
    body = kept.body
    if body.startswith("ssh-") is not is_ssh:
        key, _ = certificates.read_ssh_key(body)
        body = certificates.ssh_form(key) if is_ssh else certificates.pem_form(key)
    return {
        "SSHPublicKey": {**_show(kept), "Fingerprint": kept.fingerprint, "SSHPublicKeyBody": body}
    }


@operation("ListSSHPublicKeys", on=on_user)
def list_ssh_public_keys(read: Read, request: Request) -> Answer:
    """A user's keys, without their bodies."""
    if request.get("UserName") is None and is_root(read.principal):
        return {"SSHPublicKeys": [], "IsTruncated": False}
    user = find_user(read, name_or_own(read, request))
    keys = read.scan(SSH_KEYS, (read.account, user.name.lower()))
    return page("ssh_keys", "SSHPublicKeys", keys, request, _show, lambda key: key.id)


@operation("UpdateSSHPublicKey", on=on_user)
def update_ssh_public_key(tx: Tx, request: Request) -> Answer:
    """Switch a key on or off."""
    tx.put(SSH_KEYS, replace(_find(tx, request), active=request["Status"] == "Active"))
    return {}


@operation("DeleteSSHPublicKey", on=on_user)
def delete_ssh_public_key(tx: Tx, request: Request) -> Answer:
    """Remove a key."""
    key = _find(tx, request)
    tx.delete(SSH_KEYS, tx.account, key.user.lower(), key.id)
    return {}
