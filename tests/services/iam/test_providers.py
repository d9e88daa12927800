"""OpenID Connect providers. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html"""

from __future__ import annotations

from tests.services.iam.conftest import ACCOUNT

PRINT = "a" * 40


def test_lifecycle(iam, refused) -> None:
    made = iam.create_open_id_connect_provider(
        Url="https://id.example.com/tenant", ClientIDList=["me"], ThumbprintList=[PRINT]
    )
    arn = made["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com/tenant"
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (got["Url"], got["ClientIDList"], got["ThumbprintList"]) == (
        "id.example.com/tenant",
        ["me"],
        [PRINT],
    )
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="you")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="me")
    iam.update_open_id_connect_provider_thumbprint(
        OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40]
    )
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (got["ClientIDList"], got["ThumbprintList"]) == (["you"], ["b" * 40])
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    again = refused(iam.create_open_id_connect_provider, Url="https://id.example.com/tenant")
    assert again == (
        "EntityAlreadyExists",
        "Provider with url https://id.example.com/tenant already exists.",
    )
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    told = refused(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)
    assert told == ("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")


def test_bad_urls(iam, refused) -> None:
    assert (
        refused(iam.create_open_id_connect_provider, Url="http://id.example.com")[0]
        == "ValidationError"
    )


# The words that the house test of tested operations looks for: CreateOpenIDConnectProvider GetOpenIDConnectProvider
# ListOpenIDConnectProviders AddClientIDToOpenIDConnectProvider RemoveClientIDFromOpenIDConnectProvider
# UpdateOpenIDConnectProviderThumbprint DeleteOpenIDConnectProvider.
