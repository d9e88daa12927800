"""SAML identity providers, with their metadata documents.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_saml.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from serein.base.ids import BASE32, new_text
from serein.base.later import later
from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request, tag_list
from serein.services.iam.model import (
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.records import SAML_PROVIDERS, SamlProvider
from serein.services.iam.rules.names import tags_of_request

if TYPE_CHECKING:
    from serein.engines.saml import metadata
else:
    # The XML libraries are loaded with the first provider.
    metadata = later("serein.engines.saml.metadata")

PROVIDERS_MAX = 100
_VALID_S = 100 * 365.25 * 86_400
"""AWS lets a provider be valid for a hundred years where its metadata does not say until when."""


def on_new_provider(call: Call) -> str:
    """The provider to be made."""
    return f"arn:aws:iam::{call.scope.account}:saml-provider/{call.params['Name']}"


def on_provider(call: Call) -> str:
    """The provider of the request."""
    return str(call.params["SAMLProviderArn"])


def find_saml_provider(read: Read, arn: str) -> SamlProvider:
    """The provider of that ARN. Raises NoSuchEntity, InvalidInput."""
    if ":saml-provider/" not in arn:
        raise InvalidInputException(f"Invalid ARN: {arn}")
    found = read.get(SAML_PROVIDERS, read.account, arn.rpartition("/")[2])
    if found is None or found.arn != arn:
        raise NoSuchEntityException(f"Manifest not found for arn {arn}")
    return found


def _valid_until(document: str, now: float) -> float:
    try:
        told = metadata.read_metadata(document)
    except ValueError as error:
        raise InvalidInputException("Could not parse metadata") from error
    return now + _VALID_S if told.valid_until is None else told.valid_until


def _check_no_keys(request: Request) -> None:
    for member in ("AddPrivateKey", "RemovePrivateKey"):
        if request.get(member):
            raise InvalidInputException(
                f"{member} is not supported: Serein reads no encrypted assertions."
            )
    if request.get("AssertionEncryptionMode") == "Required":
        raise InvalidInputException(
            "AssertionEncryptionMode Required is not supported: Serein reads no encrypted assertions."
        )


@operation("CreateSAMLProvider", on=on_new_provider)
def create_saml_provider(tx: Tx, request: Request) -> Answer:
    """Make an identity provider known by its metadata.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateSAMLProvider.html
    """
    name = request["Name"]
    tags = tags_of_request(request)
    _check_no_keys(request)
    valid_until = _valid_until(request["SAMLMetadataDocument"], tx.now)
    if tx.get(SAML_PROVIDERS, tx.account, name) is not None:
        raise EntityAlreadyExistsException(f"SAMLProvider {name} already exists.")
    if tx.count(SAML_PROVIDERS, (tx.account,)) >= PROVIDERS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for SAMLProvidersPerAccount: {PROVIDERS_MAX}"
        )
    provider = SamlProvider(
        account=tx.account,
        name=name,
        uuid=new_text(tx.randomness, BASE32, 24),
        metadata=request["SAMLMetadataDocument"],
        created_at=float(int(tx.now)),
        valid_until=valid_until,
        encryption=request.get("AssertionEncryptionMode") or "",
    )
    tx.put(SAML_PROVIDERS, provider)
    tx.tag(provider.arn, tags)
    return {"SAMLProviderArn": provider.arn, "Tags": tag_list(tx, provider.arn)}


@operation("GetSAMLProvider", on=on_provider)
def get_saml_provider(read: Read, request: Request) -> Answer:
    """A provider with its metadata."""
    provider = find_saml_provider(read, request["SAMLProviderArn"])
    return {
        "SAMLProviderUUID": provider.uuid,
        "SAMLMetadataDocument": provider.metadata,
        "CreateDate": provider.created_at,
        "ValidUntil": provider.valid_until,
        "AssertionEncryptionMode": provider.encryption or None,
        "Tags": tag_list(read, provider.arn) or [],
    }


@operation("ListSAMLProviders")
def list_saml_providers(read: Read, request: Request) -> Answer:
    """The account's providers."""
    providers = read.scan(SAML_PROVIDERS, (read.account,))
    return {
        "SAMLProviderList": [
            {"Arn": each.arn, "ValidUntil": each.valid_until, "CreateDate": each.created_at}
            for each in providers
        ]
    }


@operation("UpdateSAMLProvider", on=on_provider)
def update_saml_provider(tx: Tx, request: Request) -> Answer:
    """Replace a provider's metadata."""
    provider = find_saml_provider(tx, request["SAMLProviderArn"])
    _check_no_keys(request)
    document = request.get("SAMLMetadataDocument")
    if document is not None:
        provider = replace(provider, metadata=document, valid_until=_valid_until(document, tx.now))
    mode = request.get("AssertionEncryptionMode")
    tx.put(SAML_PROVIDERS, replace(provider, encryption=mode or provider.encryption))
    return {"SAMLProviderArn": provider.arn}


@operation("DeleteSAMLProvider", on=on_provider)
def delete_saml_provider(tx: Tx, request: Request) -> Answer:
    """Forget a provider."""
    provider = find_saml_provider(tx, request["SAMLProviderArn"])
    tx.delete(SAML_PROVIDERS, tx.account, provider.name)
    tx.untag(provider.arn)
    return {}
