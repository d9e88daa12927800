"""OpenID Connect identity providers.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request, on_provider, tag_list
from serein.services.iam.model import (
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    NoSuchEntityException,
)
from serein.services.iam.records import OIDC_PROVIDERS, OidcProvider
from serein.services.iam.rules.names import ValidationError, tags_of_request

PROVIDERS_MAX = 100
CLIENTS_MAX = 100
THUMBPRINTS_MAX = 5
_URL = re.compile(r"https://[A-Za-z0-9.\-]+(:\d+)?(/[^?#\s]*)?")


def find_provider(read: Read, arn: str) -> OidcProvider:
    """The provider of that ARN. Raises NoSuchEntity."""
    found = read.get(OIDC_PROVIDERS, read.account, arn.partition("oidc-provider/")[2])
    if found is None or found.arn != arn:
        raise NoSuchEntityException(f"OpenIDConnect Provider not found for arn {arn}")
    return found


@operation("CreateOpenIDConnectProvider")
def create_open_id_connect_provider(tx: Tx, request: Request) -> Answer:
    """Make an identity provider known.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
    """
    if not _URL.fullmatch(request["Url"]):
        raise ValidationError("Invalid Open ID Connect Provider URL")
    clients = tuple(dict.fromkeys(request.get("ClientIDList") or ()))
    thumbprints = tuple(request.get("ThumbprintList") or ())
    tags = tags_of_request(request)
    _check_thumbprints(thumbprints)
    if len(clients) > CLIENTS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENTS_MAX}"
        )
    url = request["Url"].removeprefix("https://")
    if tx.get(OIDC_PROVIDERS, tx.account, url) is not None:
        raise EntityAlreadyExistsException(f"Provider with url {request['Url']} already exists.")
    if tx.count(OIDC_PROVIDERS, (tx.account,)) >= PROVIDERS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {PROVIDERS_MAX}"
        )
    provider = OidcProvider(
        account=tx.account,
        url=url,
        client_ids=clients,
        thumbprints=thumbprints,
        created_at=float(int(tx.now)),
    )
    tx.put(OIDC_PROVIDERS, provider)
    tx.tag(provider.arn, tags)
    return {"OpenIDConnectProviderArn": provider.arn, "Tags": tag_list(tx, provider.arn)}


def _check_thumbprints(thumbprints: tuple[str, ...]) -> None:
    if len(thumbprints) > THUMBPRINTS_MAX:
        raise InvalidInputException("Thumbprint list must contain fewer than 5 entries.")
    if not all(re.fullmatch(r"[0-9A-Fa-f]{40}", each) for each in thumbprints):
        raise ValidationError("Thumbprints must be 40 hexadecimal characters.")


@operation("GetOpenIDConnectProvider", on=on_provider)
def get_open_id_connect_provider(read: Read, request: Request) -> Answer:
    """An identity provider."""
    provider = find_provider(read, request["OpenIDConnectProviderArn"])
    return {
        "Url": provider.url,
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": provider.created_at,
        "Tags": tag_list(read, provider.arn) or [],
    }


@operation("ListOpenIDConnectProviders")
def list_open_id_connect_providers(read: Read, request: Request) -> Answer:
    """The account's providers."""
    providers = read.scan(OIDC_PROVIDERS, (read.account,))
    return {"OpenIDConnectProviderList": [{"Arn": each.arn} for each in providers]}


@operation("AddClientIDToOpenIDConnectProvider", on=on_provider)
def add_client_id_to_open_id_connect_provider(tx: Tx, request: Request) -> Answer:
    """Let a further client id in; nothing happens if it is known."""
    provider = find_provider(tx, request["OpenIDConnectProviderArn"])
    clients = tuple(dict.fromkeys((*provider.client_ids, request["ClientID"])))
    if len(clients) > CLIENTS_MAX:
        raise LimitExceededException(
            f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENTS_MAX}"
        )
    tx.put(OIDC_PROVIDERS, replace(provider, client_ids=clients))
    return {}


@operation("RemoveClientIDFromOpenIDConnectProvider", on=on_provider)
def remove_client_id_from_open_id_connect_provider(tx: Tx, request: Request) -> Answer:
    """Let a client id in no more; nothing happens if it is unknown."""
    provider = find_provider(tx, request["OpenIDConnectProviderArn"])
    clients = tuple(each for each in provider.client_ids if each != request["ClientID"])
    tx.put(OIDC_PROVIDERS, replace(provider, client_ids=clients))
    return {}


@operation("UpdateOpenIDConnectProviderThumbprint", on=on_provider)
def update_open_id_connect_provider_thumbprint(tx: Tx, request: Request) -> Answer:
    """Replace the thumbprints."""
    provider = find_provider(tx, request["OpenIDConnectProviderArn"])
    thumbprints = tuple(request["ThumbprintList"])
    _check_thumbprints(thumbprints)
    tx.put(OIDC_PROVIDERS, replace(provider, thumbprints=thumbprints))
    return {}


@operation("DeleteOpenIDConnectProvider", on=on_provider)
def delete_open_id_connect_provider(tx: Tx, request: Request) -> Answer:
    """Forget a provider; nothing happens if it is unknown.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteOpenIDConnectProvider.html
    """
    arn = request["OpenIDConnectProviderArn"]
    tx.delete(OIDC_PROVIDERS, tx.account, arn.partition("oidc-provider/")[2])
    tx.untag(arn)
    return {}
