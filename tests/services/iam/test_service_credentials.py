"""Credentials for single services; expectations recorded in `TestIAMServiceSpecificCredentials`."""

from __future__ import annotations

import pytest

SERVICE = "codecommit.amazonaws.com"


def test_lifecycle(iam, user) -> None:
    made = iam.create_service_specific_credential(UserName=user, ServiceName=SERVICE)[
        "ServiceSpecificCredential"
    ]
    assert made.keys() == {
        "CreateDate", "ServiceName", "ServicePassword", "ServiceSpecificCredentialId", "ServiceUserName", "Status", "UserName",
    }  # fmt: skip
    assert made["ServiceUserName"] == "bob-at-000000000000"
    on = {"UserName": user, "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"]}
    password = made.pop("ServicePassword")
    assert iam.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"] == [
        made
    ]
    iam.update_service_specific_credential(Status="Inactive", **on)
    assert (
        iam.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"][0][
            "Status"
        ]
        == "Inactive"
    )
    reset = iam.reset_service_specific_credential(**on)["ServiceSpecificCredential"]
    assert reset["ServicePassword"] != password
    iam.delete_service_specific_credential(**on)
    assert iam.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"] == []


def test_unknown_users_and_ids(iam, user, refused) -> None:
    told = ("NoSuchEntity", "The user with name non-existent-user cannot be found.")
    assert (
        refused(
            iam.create_service_specific_credential,
            UserName="non-existent-user",
            ServiceName=SERVICE,
        )
        == told
    )
    for function in (iam.reset_service_specific_credential, iam.delete_service_specific_credential):
        told = refused(
            function, UserName=user, ServiceSpecificCredentialId="satisfiesregexbutstillinvalid"
        )
        assert told == ("NoSuchEntity", "No such credential satisfiesregexbutstillinvalid exists")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Status": "Invalid"}, "1 validation error detected: Value at 'status' failed to satisfy constraint: Member must satisfy enum value set"),
        ({"ServiceSpecificCredentialId": "totally-wrong-credential-id-with-hyphens", "Status": "Active"}, "1 validation error detected: Value at 'serviceSpecificCredentialId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w]+"),
    ],
)  # fmt: skip
def test_bad_requests(cloud, user, refused, params, message) -> None:
    given = {
        "UserName": user,
        "ServiceSpecificCredentialId": "satisfiesregexbutstillinvalid",
        **params,
    }
    told = refused(cloud.unvalidated("iam").update_service_specific_credential, **given)
    assert told == ("ValidationError", message)


def test_api_keys(iam, user, refused) -> None:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html"""
    create = iam.create_service_specific_credential
    made = create(UserName=user, ServiceName="bedrock.amazonaws.com", CredentialAgeDays=1)
    credential = made["ServiceSpecificCredential"]
    assert credential["ServiceCredentialSecret"].startswith("ABSK")
    assert "ServicePassword" not in credential
    assert (credential["ExpirationDate"] - credential["CreateDate"]).days == 1
    service = "codecommit.amazonaws.com"
    code, _ = refused(create, UserName=user, ServiceName=service, CredentialAgeDays=1)
    assert code == "InvalidInput"
    code, message = refused(create, UserName=user, ServiceName="s3.amazonaws.com")
    assert (code, message) == (
        "NotSupportedService",
        "No such service s3.amazonaws.com is supported for Service Specific Credentials",
    )


def test_pages(iam, user) -> None:
    for _ in range(2):
        iam.create_service_specific_credential(
            UserName=user, ServiceName="codecommit.amazonaws.com"
        )
    first = iam.list_service_specific_credentials(AllUsers=True, MaxItems=1)
    assert first["IsTruncated"] is True
    second = iam.list_service_specific_credentials(
        AllUsers=True, MaxItems=1, Marker=first["Marker"]
    )
    assert second["IsTruncated"] is False
    assert first["ServiceSpecificCredentials"] != second["ServiceSpecificCredentials"]
