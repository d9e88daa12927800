"""What holds for the whole registry: account settings, scanning, replication.

Nothing is scanned and nothing is replicated here: what would ask for it is refused, and what only says that it is not wanted is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from serein.base.errors import AwsError
from serein.kernel.operations import Read, Tx, operation
from serein.services.ecr.access import (
    find_image,
    find_repository,
    registry_of,
    repositories_of,
    repository_of,
)
from serein.services.ecr.model import ValidationException
from serein.services.ecr.records import REGISTRIES, REPOSITORIES, Answer, Request

# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutAccountSetting.html
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    # The first value is what holds as long as nobody says otherwise.
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE", "CLAIR"),
    "BLOB_MOUNTING": ("ENABLED", "DISABLED"),
    "REGISTRY_POLICY_SCOPE": ("V2", "V1"),
}


def not_built(what: str) -> AwsError:
    """An honest 501 for the part of an operation that is not there."""
    return AwsError(f"Serein has not implemented {what} yet.", code="NotImplemented", status=501)


def _setting(name: str) -> tuple[str, ...]:
    known = _SETTINGS.get(name)
    if known is None:
        raise ValidationException(
            f"Invalid parameter at 'name' failed to satisfy constraint: 'must be one of "
            f"{', '.join(sorted(_SETTINGS))}'"
        )
    return known


@operation("GetAccountSetting")
def get_account_setting(read: Read, request: Request) -> Answer:
    """A setting of the registry."""
    name = request["name"]
    default = _setting(name)[0]
    return {"name": name, "value": registry_of(read, read.account).settings.get(name, default)}


@operation("PutAccountSetting")
def put_account_setting(tx: Tx, request: Request) -> Answer:
    """Change a setting of the registry."""
    name, value = request["name"], request["value"]
    if value not in _setting(name):
        raise ValidationException(
            f"Invalid parameter at 'value' failed to satisfy constraint: 'must be one of "
            f"{', '.join(_setting(name))}'"
        )
    registry = registry_of(tx, tx.account)
    tx.put(REGISTRIES, replace(registry, settings={**registry.settings, name: value}))
    return {"name": name, "value": value}


@operation("DescribeRegistry")
def describe_registry(read: Read, request: Request) -> Answer:
    """The registry with its replication."""
    rules = list(registry_of(read, read.account).replication)
    return {"registryId": read.account, "replicationConfiguration": {"rules": rules}}


@operation("PutReplicationConfiguration")
def put_replication_configuration(tx: Tx, request: Request) -> Answer:
    """Only "none": images are not replicated."""
    rules = request["replicationConfiguration"]["rules"]
    if any(rule["destinations"] for rule in rules):
        raise not_built("the rules of ecr:PutReplicationConfiguration")
    tx.put(REGISTRIES, replace(registry_of(tx, tx.account), replication=tuple(rules)))
    return {"replicationConfiguration": {"rules": rules}}


@operation("DescribeImageReplicationStatus", on=repository_of)
def describe_image_replication_status(read: Read, request: Request) -> Answer:
    """Where an image was replicated to: nowhere."""
    repository = find_repository(read, request)
    find_image(read, repository, request["imageId"])
    return {
        "repositoryName": repository.name,
        "imageId": request["imageId"],
        "replicationStatuses": [],
    }


@operation("PutImageScanningConfiguration", on=repository_of)
def put_image_scanning_configuration(tx: Tx, request: Request) -> Answer:
    """Whether images are to be scanned when they are pushed. It is kept, and nothing is scanned."""
    scan = bool(request["imageScanningConfiguration"].get("scanOnPush", False))
    repository = replace(find_repository(tx, request), scan_on_push=scan)
    tx.put(REPOSITORIES, repository)
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageScanningConfiguration": {"scanOnPush": scan},
    }


@operation("GetRegistryScanningConfiguration")
def get_registry_scanning_configuration(read: Read, request: Request) -> Answer:
    """The registry's scanning."""
    registry = registry_of(read, read.account)
    shown = {"scanType": registry.scan_type, "rules": list(registry.scan_rules)}
    return {"registryId": read.account, "scanningConfiguration": shown}


@operation("PutRegistryScanningConfiguration")
def put_registry_scanning_configuration(tx: Tx, request: Request) -> Answer:
    """Which repositories are to be scanned. It is kept, and nothing is scanned; enhanced scanning is refused."""
    kind = request.get("scanType", "BASIC")
    if kind != "BASIC":
        raise not_built("the scan type ENHANCED of ecr:PutRegistryScanningConfiguration")
    rules = tuple(request.get("rules", ()))
    registry = replace(registry_of(tx, tx.account), scan_type=kind, scan_rules=rules)
    tx.put(REGISTRIES, registry)
    return {"registryScanningConfiguration": {"scanType": kind, "rules": list(rules)}}


@operation("BatchGetRepositoryScanningConfiguration", on=repositories_of)
def batch_get_repository_scanning_configuration(read: Read, request: Request) -> Answer:
    """How repositories are to be scanned."""
    found, failures = [], []
    for name in request["repositoryNames"]:
        repository = read.get(REPOSITORIES, read.account, read.region, name)
        if repository is None:
            failure = {"repositoryName": name, "failureCode": "REPOSITORY_NOT_FOUND"}
            failures.append({**failure, "failureReason": "Repository not found"})
            continue
        found.append(
            {
                "repositoryArn": repository.arn,
                "repositoryName": name,
                "scanOnPush": repository.scan_on_push,
                "scanFrequency": "SCAN_ON_PUSH" if repository.scan_on_push else "MANUAL",
                "appliedScanFilters": [],
            }
        )
    return {"scanningConfigurations": found, "failures": failures}
