"""Repositories: made, shown, changed, deleted.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/Repositories.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.contracts.container_images import LAYERS
from serein.kernel import pages
from serein.kernel.operations import Position, Read, Tx, operation
from serein.services.ecr.access import (
    find_repository,
    registry_id,
    repositories_of,
    repository_of,
    uri_of,
)
from serein.services.ecr.model import (
    InvalidParameterException,
    LimitExceededException,
    RepositoryAlreadyExistsException,
    RepositoryNotEmptyException,
)
from serein.services.ecr.operations.tags import checked_tags
from serein.services.ecr.records import (
    IMAGES,
    MANIFESTS,
    PREVIEWS,
    REFERRERS,
    REPOSITORIES,
    TAGS,
    UPLOADS,
    Answer,
    Repository,
    Request,
)
from serein.services.ecr.rules.words import invalid_parameter, no_repository

REPOSITORIES_MAX = 100_000
_PAGE_SIZE = 100


def described(position: Position, repository: Repository) -> Answer:
    """A repository as AWS shows it."""
    encryption: Answer = {"encryptionType": repository.encryption}
    if repository.kms_key:
        encryption["kmsKey"] = repository.kms_key
    shown: Answer = {
        "repositoryArn": repository.arn,
        "registryId": repository.account,
        "repositoryName": repository.name,
        "repositoryUri": uri_of(position, repository),
        "createdAt": repository.created_at,
        "imageTagMutability": repository.mutability,
        "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
        "encryptionConfiguration": encryption,
    }
    if repository.exclusions:
        shown["imageTagMutabilityExclusionFilters"] = shown_filters(repository)
    return shown


def shown_filters(repository: Repository) -> list[dict[str, str]]:
    """The tags that are excepted from a repository's mutability."""
    return [{"filterType": "WILDCARD", "filter": one} for one in repository.exclusions]


def exclusions_of(request: Request) -> tuple[str, ...]:
    """The filters of a request, which only some kinds of mutability have. Raises InvalidParameterException."""
    kind = request.get("imageTagMutability", "MUTABLE")
    filters = tuple(one["filter"] for one in request.get("imageTagMutabilityExclusionFilters", ()))
    if bool(filters) != kind.endswith("_WITH_EXCLUSION"):
        raise InvalidParameterException(
            "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy "
            "constraint: 'must be given with, and only with, a mutability with exclusions'"
        )
    if any(one.count("*") > 2 for one in filters):
        raise invalid_parameter(
            "imageTagMutabilityExclusionFilters", "must have at most two wildcards"
        )
    return filters


@operation("CreateRepository", on=repository_of, creates=True)
def create_repository(tx: Tx, request: Request) -> Answer:
    """Make a repository in the caller's own registry."""
    if request.get("registryId", tx.account) != tx.account:
        raise invalid_parameter("registryId", "must be the id of the caller's registry")
    given = checked_tags(request.get("tags", ()))
    repository = make_repository(tx, request)
    tx.tag(repository.arn, given)
    return {"repository": described(tx, repository)}


def make_repository(tx: Tx, request: Request) -> Repository:
    """Put a new repository. Raises RepositoryAlreadyExistsException, LimitExceededException."""
    name = request["repositoryName"]
    if tx.get(REPOSITORIES, tx.account, tx.region, name) is not None:
        raise RepositoryAlreadyExistsException(
            f"The repository with name '{name}' already exists in the registry with id "
            f"'{tx.account}'"
        )
    if tx.count(REPOSITORIES, (tx.account, tx.region)) >= REPOSITORIES_MAX:
        raise LimitExceededException(
            f"The limit for number of repositories is {REPOSITORIES_MAX} per registry"
        )
    encryption = request.get("encryptionConfiguration", {})
    repository = Repository(
        account=tx.account,
        region=tx.region,
        name=name,
        created_at=tx.now,
        mutability=request.get("imageTagMutability", "MUTABLE"),
        exclusions=exclusions_of(request),
        scan_on_push=bool(request.get("imageScanningConfiguration", {}).get("scanOnPush", False)),
        encryption=encryption.get("encryptionType", "AES256"),
        kms_key=encryption.get("kmsKey", ""),
    )
    tx.put(REPOSITORIES, repository)
    return repository


@operation("DescribeRepositories", on=repositories_of)
def describe_repositories(read: Read, request: Request) -> Answer:
    """Repositories by name, or all of a registry, page by page."""
    account = registry_id(read, request)
    if names := request.get("repositoryNames"):
        if "maxResults" in request or "nextToken" in request:
            raise InvalidParameterException(
                "Invalid parameter at 'maxResults' failed to satisfy constraint: 'cannot be "
                "given together with repositoryNames'"
            )
        found = []
        for name in names:
            one = read.get(REPOSITORIES, account, read.region, name)
            if one is None:
                raise no_repository(name, account)
            found.append(described(read, one))
        return {"repositories": found}
    after = page_start(request, "DescribeRepositories")
    scanned = read.scan(
        REPOSITORIES, (account, read.region), start=tuple(after), start_after=bool(after)
    )
    page, token = pages.take_page(
        scanned,
        request.get("maxResults", _PAGE_SIZE),
        lambda one: pages.encode_token("DescribeRepositories", one.name),
    )
    return {"repositories": [described(read, one) for one in page], "nextToken": token}


def page_start(request: Request, listing: str) -> list[str]:
    """Where a listing goes on. Raises InvalidParameterException."""
    token = request.get("nextToken")
    if not token:
        return []
    try:
        return [str(part) for part in pages.decode_token(listing, token)]
    except pages.InvalidPageToken as error:
        raise invalid_parameter("nextToken", "Invalid token") from error


@operation("DeleteRepository", on=repository_of)
def delete_repository(tx: Tx, request: Request) -> Answer:
    """Delete a repository; one with images only by force."""
    repository = find_repository(tx, request)
    key = (repository.account, repository.region, repository.name)
    if not request.get("force") and next(iter(tx.scan(IMAGES, key, limit=1)), None) is not None:
        raise RepositoryNotEmptyException(
            f"The repository with name '{repository.name}' in registry with id "
            f"'{repository.account}' cannot be deleted because it still contains images"
        )
    # The bytes of the layers go when the sweeper finds that nobody names them any more: a function may.
    for table in (IMAGES, TAGS, REFERRERS, LAYERS, UPLOADS, MANIFESTS, PREVIEWS):
        tx.delete_range(table, key)
    tx.delete(REPOSITORIES, *key)
    tx.untag(repository.arn)
    return {"repository": described(tx, repository)}


@operation("PutImageTagMutability", on=repository_of)
def put_image_tag_mutability(tx: Tx, request: Request) -> Answer:
    """Whether tags may move from image to image."""
    repository = replace(
        find_repository(tx, request),
        mutability=request["imageTagMutability"],
        exclusions=exclusions_of(request),
    )
    tx.put(REPOSITORIES, repository)
    shown: Answer = {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageTagMutability": repository.mutability,
    }
    if repository.exclusions:
        shown["imageTagMutabilityExclusionFilters"] = shown_filters(repository)
    return shown
