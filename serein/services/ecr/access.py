"""What requests are about: ARNs for authorisation, policies, and finding repositories and images."""

from __future__ import annotations

from collections.abc import Sequence

from serein.base.arn import arn_or_none, make_arn
from serein.kernel.calls import Call
from serein.kernel.operations import Position, Read
from serein.services.ecr.model import InvalidParameterException
from serein.services.ecr.records import (
    IMAGES,
    REGISTRIES,
    REPOSITORIES,
    TAGS,
    Image,
    Registry,
    Repository,
    Request,
)
from serein.services.ecr.rules.words import no_image, no_repository

_LOCAL_PORT = 4566


def repository_of(call: Call) -> str:
    """The ARN of the repository that the request names."""
    account = call.params.get("registryId") or call.scope.account
    name = call.params["repositoryName"]
    return make_arn("ecr", call.scope.region, account, f"repository/{name}")


def repositories_of(call: Call) -> Sequence[str]:
    """The ARNs of the repositories that the request names, or all of them."""
    account = call.params.get("registryId") or call.scope.account
    names = call.params.get("repositoryNames") or ["*"]
    return [make_arn("ecr", call.scope.region, account, f"repository/{name}") for name in names]


def resource_of(call: Call) -> str:
    """The ARN that the request gives."""
    arn: str = call.params["resourceArn"]
    return arn


def registry_id(position: Position, request: Request) -> str:
    """The account whose registry a request is about."""
    account: str = request.get("registryId") or position.account
    return account


def find_repository(read: Read, request: Request) -> Repository:
    """The repository that a request names. Raises RepositoryNotFoundException."""
    account = registry_id(read, request)
    name = request["repositoryName"]
    found = read.get(REPOSITORIES, account, read.region, name)
    if found is None:
        raise no_repository(name, account)
    return found


def find_by_arn(read: Read, arn: str) -> Repository:
    """The repository of an ARN. Raises InvalidParameterException, RepositoryNotFoundException."""
    parsed = arn_or_none(arn)
    if parsed is None or parsed.service != "ecr" or not parsed.resource.startswith("repository/"):
        raise InvalidParameterException(
            "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'"
        )
    name = parsed.resource.removeprefix("repository/")
    found = read.get(REPOSITORIES, parsed.account, parsed.region, name)
    if found is None:
        raise no_repository(name, parsed.account)
    return found


def image_or_none(read: Read, repository: Repository, image_id: Request) -> Image | None:
    """The image of a tag, a digest, or of both if they belong together."""
    key = (repository.account, repository.region, repository.name)
    digest = image_id.get("imageDigest")
    tag = image_id.get("imageTag")
    if tag:
        named = read.get(TAGS, *key, tag)
        if named is None or (digest and named.digest != digest):
            return None
        digest = named.digest
    return read.get(IMAGES, *key, digest) if digest else None


def find_image(read: Read, repository: Repository, image_id: Request) -> Image:
    """The same. Raises ImageNotFoundException."""
    found = image_or_none(read, repository, image_id)
    if found is None:
        raise no_image(repository, image_id)
    return found


def registry_of(read: Read, account: str) -> Registry:
    """What holds for an account's registry in this region."""
    found = read.get(REGISTRIES, account, read.region)
    return found or Registry(account=account, region=read.region)


def policy_of(read: Read, arn: str) -> str | None:
    """A repository's policy."""
    parsed = arn_or_none(arn)
    if parsed is None or not parsed.resource.startswith("repository/"):
        return None
    name = parsed.resource.removeprefix("repository/")
    found = read.get(REPOSITORIES, parsed.account, parsed.region, name)
    return found.policy or None if found is not None else None


def registry_host(position: Position, account: str, region: str) -> str:
    """Where clients reach an account's registry: `<account>.dkr.ecr.<region>.localhost:<port>`."""
    host = position.scope.host
    name, _, port = host.rpartition(":")
    if not name or not port.isdigit():
        name, port = host, ("" if host else str(_LOCAL_PORT))
    local = "localhost.localstack.cloud" if name.endswith("localhost.localstack.cloud") else ""
    shown = f"{account}.dkr.ecr.{region}.{local or 'localhost'}"
    return f"{shown}:{port}" if port else shown


def uri_of(position: Position, repository: Repository) -> str:
    """A repository's URI, as clients push to it."""
    host = registry_host(position, repository.account, repository.region)
    return f"{host}/{repository.name}"
