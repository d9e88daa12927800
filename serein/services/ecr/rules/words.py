"""The registry's errors in its own words."""

from __future__ import annotations

from collections.abc import Sequence

from serein.base.errors import AwsError
from serein.services.ecr.model import (
    ImageNotFoundException,
    InvalidParameterException,
    RepositoryNotFoundException,
)
from serein.services.ecr.records import Repository, Request
from serein.wire.failures import Failure


def invalid_parameter(member: str, constraint: str) -> InvalidParameterException:
    """A parameter that does not fit."""
    return InvalidParameterException(
        f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'"
    )


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """What the registry says to a request that its model forbids: the first failure."""
    first = failures[0]
    constraint = first.constraint
    pattern = constraint.partition("regular expression pattern: ")[2]
    if first.kind == "pattern" and pattern:
        constraint = f"must satisfy regular expression '{pattern}'"
    elif first.kind == "required":
        constraint = "must not be null"
    return invalid_parameter(first.path, constraint)


def no_repository(name: str, registry: str) -> RepositoryNotFoundException:
    """There is no such repository."""
    return RepositoryNotFoundException(
        f"The repository with name '{name}' does not exist in the registry with id '{registry}'"
    )


def image_id_words(image_id: Request) -> str:
    """An image's id as errors show it."""
    digest = image_id.get("imageDigest")
    tag = image_id.get("imageTag")
    shown_digest = f"'{digest}'" if digest else "'null'"
    shown_tag = f"'{tag}'" if tag else "'null'"
    return f"{{imageDigest:{shown_digest}, imageTag:{shown_tag}}}"


def no_image(repository: Repository, image_id: Request) -> ImageNotFoundException:
    """There is no such image."""
    return ImageNotFoundException(
        f"The image with imageId {image_id_words(image_id)} does not exist within the repository "
        f"with name '{repository.name}' in the registry with id '{repository.account}'"
    )


def of_repository(repository: Repository) -> str:
    """How errors name a repository."""
    return (
        f"repository with name '{repository.name}' in the registry with id '{repository.account}'"
    )
