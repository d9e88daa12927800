"""Policies of repositories and of the registry.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.engines.policy import MalformedPolicy, parse_policy
from serein.kernel.operations import Read, Tx, operation
from serein.services.ecr.access import find_repository, registry_of, repository_of
from serein.services.ecr.model import (
    RegistryPolicyNotFoundException,
    RepositoryPolicyNotFoundException,
)
from serein.services.ecr.records import REGISTRIES, REPOSITORIES, Answer, Repository, Request
from serein.services.ecr.rules.words import invalid_parameter, of_repository


def checked_policy(text: str, said: str) -> str:
    """A policy that can be judged by. Raises InvalidParameterException.

    A repository's policy has no resources: what it is attached to is meant.
    """
    try:
        parse_policy(text, "resource")
    except MalformedPolicy as error:
        raise invalid_parameter("PolicyText", said) from error
    return text


def _answer(repository: Repository, text: str) -> Answer:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "policyText": text,
    }


def _with_policy(read: Read, request: Request) -> Repository:
    repository = find_repository(read, request)
    if not repository.policy:
        raise RepositoryPolicyNotFoundException(
            f"Repository policy does not exist for the {of_repository(repository)}"
        )
    return repository


@operation("SetRepositoryPolicy", on=repository_of, ignores=("force",))
def set_repository_policy(tx: Tx, request: Request) -> Answer:
    """Say who may use a repository."""
    repository = find_repository(tx, request)
    text = checked_policy(request["policyText"], "Invalid repository policy provided")
    tx.put(REPOSITORIES, replace(repository, policy=text))
    return _answer(repository, text)


@operation("GetRepositoryPolicy", on=repository_of)
def get_repository_policy(read: Read, request: Request) -> Answer:
    """A repository's policy."""
    repository = _with_policy(read, request)
    return _answer(repository, repository.policy)


@operation("DeleteRepositoryPolicy", on=repository_of)
def delete_repository_policy(tx: Tx, request: Request) -> Answer:
    """Take a repository's policy away."""
    repository = _with_policy(tx, request)
    tx.put(REPOSITORIES, replace(repository, policy=""))
    return _answer(repository, repository.policy)


@operation("PutRegistryPolicy")
def put_registry_policy(tx: Tx, request: Request) -> Answer:
    """Say who may replicate into the registry, and the like."""
    text = checked_policy(request["policyText"], "Invalid registry policy provided")
    tx.put(REGISTRIES, replace(registry_of(tx, tx.account), policy=text))
    return {"registryId": tx.account, "policyText": text}


def _registry_policy(read: Read) -> str:
    text = registry_of(read, read.account).policy
    if not text:
        raise RegistryPolicyNotFoundException(
            f"Registry policy does not exist in the registry with id '{read.account}'"
        )
    return text


@operation("GetRegistryPolicy")
def get_registry_policy(read: Read, request: Request) -> Answer:
    """The registry's policy."""
    return {"registryId": read.account, "policyText": _registry_policy(read)}


@operation("DeleteRegistryPolicy")
def delete_registry_policy(tx: Tx, request: Request) -> Answer:
    """Take the registry's policy away."""
    text = _registry_policy(tx)
    tx.put(REGISTRIES, replace(registry_of(tx, tx.account), policy=""))
    return {"registryId": tx.account, "policyText": text}
