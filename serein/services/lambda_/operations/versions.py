"""Published versions."""

from __future__ import annotations

import hashlib

import msgspec

from serein.kernel.operations import Tx, operation
from serein.services.lambda_.access import find_latest, function_of, name_of
from serein.services.lambda_.records import FUNCTIONS, SETTINGS, Answer, Function, Request, Settings
from serein.services.lambda_.rules.configuration import configuration_of, refuse
from serein.services.lambda_.rules.conflicts import check_revision


@operation("PublishVersion", on=function_of)
def publish_version(tx: Tx, request: Request) -> Answer:
    """Make a version of $LATEST; the last one is answered when nothing has changed since."""
    function = find_latest(tx, name_of(tx, request))
    check_revision(request.get("RevisionId"), function.revision)
    wanted = request.get("CodeSha256")
    if wanted and wanted != function.code_sha256:
        raise refuse(
            f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST "
            f"({function.code_sha256}). Please try again with the CodeSHA256 in $LATEST."
        )
    return configuration_of(publish(tx, function, request.get("Description", "")))


def publish(tx: Tx, latest: Function, description: str) -> Function:
    """The version of $LATEST as it is: the last one, or a new one where something has changed."""
    key = (latest.account, latest.region, latest.name)
    settings = tx.get(SETTINGS, *key) or Settings(
        account=latest.account, region=latest.region, function=latest.name
    )
    fingerprint = _fingerprint(latest)
    if settings.last_version and settings.published == fingerprint:
        last = tx.get(FUNCTIONS, *key, settings.last_version)
        if last is not None:
            return last
    number = settings.last_version + 1
    version = msgspec.structs.replace(
        latest,
        version=number,
        description=description or latest.description,
        revision=tx.new_id(),
        modified_at=tx.now,
    )
    tx.put(FUNCTIONS, version)
    # Publishing is a change of $LATEST, too, though of nothing that can be seen.
    tx.put(FUNCTIONS, msgspec.structs.replace(latest, revision=tx.new_id()))
    changed = msgspec.structs.replace(settings, last_version=number, published=fingerprint)
    tx.put(SETTINGS, changed)
    return version


def _fingerprint(latest: Function) -> str:
    """What a version is made of; the same for two states of $LATEST that do not differ."""
    plain = msgspec.structs.replace(
        latest, revision="", modified_at=0.0, code_blob="", build="", unzipped=0
    )
    return hashlib.sha256(msgspec.msgpack.encode(plain, order="deterministic")).hexdigest()
