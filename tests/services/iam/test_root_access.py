"""Central root access. https://docs.aws.amazon.com/IAM/latest/APIReference/API_EnableOrganizationsRootSessions.html"""

from __future__ import annotations


def test_features(cloud, iam, refused) -> None:
    assert refused(iam.list_organizations_features)[0] == "OrganizationNotFoundException"
    organizations = cloud.client("organizations")
    id = organizations.create_organization()["Organization"]["Id"]
    assert refused(iam.list_organizations_features)[0] == "ServiceAccessNotEnabledException"
    organizations.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    found = iam.list_organizations_features()
    assert (found["OrganizationId"], found["EnabledFeatures"]) == (id, [])
    iam.enable_organizations_root_credentials_management()
    found = iam.enable_organizations_root_sessions()
    assert found["EnabledFeatures"] == ["RootCredentialsManagement", "RootSessions"]
    assert iam.disable_organizations_root_sessions()["EnabledFeatures"] == [
        "RootCredentialsManagement"
    ]
    assert iam.disable_organizations_root_credentials_management()["EnabledFeatures"] == []
    made = organizations.create_account(Email="dev@example.com", AccountName="dev")
    theirs = cloud.client("iam", access_key=made["CreateAccountStatus"]["AccountId"])
    assert refused(theirs.list_organizations_features)[0].startswith("AccountNotManagement")
