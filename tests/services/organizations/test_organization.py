"""The organization itself. https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganization.html"""

from __future__ import annotations

import re

ACCOUNT = "000000000000"


def test_a_new_organization(org, refused) -> None:
    made = org.create_organization(FeatureSet="ALL")["Organization"]
    id = made["Id"]
    assert re.fullmatch(r"o-[a-z0-9]{10}", id)
    assert made["Arn"] == f"arn:aws:organizations::{ACCOUNT}:organization/{id}"
    assert made["MasterAccountArn"] == f"arn:aws:organizations::{ACCOUNT}:account/{id}/{ACCOUNT}"
    assert made["FeatureSet"] == "ALL"
    assert made["AvailablePolicyTypes"] == [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    assert org.describe_organization()["Organization"] == made
    assert refused(org.create_organization)[0] == "AlreadyInOrganizationException"
    (root,) = org.list_roots()["Roots"]
    assert re.fullmatch(r"r-[a-z0-9]{4}", root["Id"])
    assert (root["Name"], root["PolicyTypes"]) == ("Root", [])
    (account,) = org.list_accounts()["Accounts"]
    assert (account["Id"], account["Status"], account["JoinedMethod"]) == (
        ACCOUNT,
        "ACTIVE",
        "INVITED",
    )


def test_without_an_organization(org, refused) -> None:
    assert refused(org.describe_organization)[0] == "AWSOrganizationsNotInUseException"
    assert refused(org.list_accounts)[0] == "AWSOrganizationsNotInUseException"


def test_its_end(org, organization, root, member, refused) -> None:
    unit = org.create_organizational_unit(ParentId=root, Name="team")["OrganizationalUnit"]["Id"]
    assert refused(org.delete_organization)[0] == "OrganizationNotEmptyException"
    org.remove_account_from_organization(AccountId=member)
    org.delete_organizational_unit(OrganizationalUnitId=unit)
    org.delete_organization()
    assert refused(org.describe_organization)[0] == "AWSOrganizationsNotInUseException"
    org.create_organization()


def test_consolidated_billing(org, refused, scp) -> None:
    org.create_organization(FeatureSet="CONSOLIDATED_BILLING")
    root = org.list_roots()["Roots"][0]["Id"]
    enable = {"RootId": root, "PolicyType": "SERVICE_CONTROL_POLICY"}
    code = "PolicyTypeNotAvailableForOrganizationException"
    assert refused(org.enable_policy_type, **enable)[0] == code
    assert org.enable_all_features()["Handshake"]["State"] == "ACCEPTED"
    org.enable_policy_type(**enable)
    assert refused(org.enable_all_features)[0] == "ConstraintViolationException"


def test_members_may_only_look_at_it(cloud, org, organization, member, refused) -> None:
    theirs = cloud.client("organizations", access_key=member)
    assert theirs.describe_organization()["Organization"]["Id"] == organization["Id"]
    assert refused(theirs.list_accounts)[0] == "AccessDeniedException"
    assert (
        refused(
            theirs.create_policy,
            Content="{}",
            Description="",
            Name="x",
            Type="SERVICE_CONTROL_POLICY",
        )[0]
        == "AccessDeniedException"
    )
    org.enable_aws_service_access(ServicePrincipal="config.amazonaws.com")
    org.register_delegated_administrator(AccountId=member, ServicePrincipal="config.amazonaws.com")
    assert len(theirs.list_accounts()["Accounts"]) == 2
