"""Accounts. https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html"""

from __future__ import annotations

from typing import Any

from tests.cloud import Cloud


def assumed(cloud: Cloud, service: str, account: str, role: str) -> Any:
    """A client in another account, by the role that the management account may assume."""
    arn = f"arn:aws:iam::{account}:role/{role}"
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="admin")["Credentials"]
    return cloud.client(
        service,
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )


def test_a_new_account(cloud, org, organization) -> None:
    status = org.create_account(
        Email="dev@example.com", AccountName="dev", Tags=[{"Key": "a", "Value": "1"}]
    )["CreateAccountStatus"]
    id = status["AccountId"]
    assert status["State"] == "SUCCEEDED"
    assert len(id) == 12
    shown = org.describe_create_account_status(CreateAccountRequestId=status["Id"])
    assert shown["CreateAccountStatus"]["AccountId"] == id
    listed = org.list_create_account_status(States=["SUCCEEDED"])["CreateAccountStatuses"]
    assert [each["Id"] for each in listed] == [status["Id"]]
    account = org.describe_account(AccountId=id)["Account"]
    assert (account["Name"], account["Email"]) == ("dev", "dev@example.com")
    assert (account["JoinedMethod"], account["Status"]) == ("CREATED", "ACTIVE")
    assert org.list_tags_for_resource(ResourceId=id)["Tags"] == [{"Key": "a", "Value": "1"}]
    sqs = assumed(cloud, "sqs", id, "OrganizationAccountAccessRole")
    assert f"/{id}/q" in sqs.create_queue(QueueName="q")["QueueUrl"]


def test_another_role(cloud, org, organization) -> None:
    status = org.create_account(Email="a@example.com", AccountName="a", RoleName="Admin")
    id = status["CreateAccountStatus"]["AccountId"]
    assert assumed(cloud, "sts", id, "Admin").get_caller_identity()["Account"] == id


def test_an_address_makes_one_account(org, member) -> None:
    again = org.create_account(Email="DEV@example.com", AccountName="dev")["CreateAccountStatus"]
    assert (again["State"], again["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    assert len(org.list_accounts()["Accounts"]) == 2


def test_what_is_not_there(org, organization, root, refused) -> None:
    assert refused(org.describe_account, AccountId="999999999999")[0] == "AccountNotFoundException"
    absent = "car-" + "x" * 32
    assert refused(org.describe_create_account_status, CreateAccountRequestId=absent)[0] == (
        "CreateAccountStatusNotFoundException"
    )


def test_moving(org, root, member, refused) -> None:
    unit = org.create_organizational_unit(ParentId=root, Name="team")["OrganizationalUnit"]["Id"]
    move = {"AccountId": member, "SourceParentId": root, "DestinationParentId": unit}
    org.move_account(**move)
    assert refused(org.move_account, **move)[0] == "DuplicateAccountException"
    listed = org.list_accounts_for_parent(ParentId=unit)["Accounts"]
    assert [each["Id"] for each in listed] == [member]
    assert org.list_parents(ChildId=member)["Parents"] == [
        {"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}
    ]
    absent = {**move, "DestinationParentId": "ou-aaaa-bbbbbbbb"}
    assert refused(org.move_account, **absent)[0] == "DestinationParentNotFoundException"
    assert refused(org.delete_organizational_unit, OrganizationalUnitId=unit)[0] == (
        "OrganizationalUnitNotEmptyException"
    )
    org.move_account(AccountId=member, SourceParentId=unit, DestinationParentId=root)


def test_closing(cloud, org, organization, member, refused) -> None:
    iam = assumed(cloud, "iam", member, "OrganizationAccountAccessRole")
    org.close_account(AccountId=member)
    assert org.describe_account(AccountId=member)["Account"]["Status"] == "SUSPENDED"
    assert refused(iam.list_users)[0] == "InvalidClientTokenId"
    assert refused(org.close_account, AccountId=member)[0] == "AccountAlreadyClosedException"
    assert refused(org.close_account, AccountId=cloud.account) == (
        "ConstraintViolationException",
        "CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
    )


def test_leaving(cloud, org, organization, member, refused) -> None:
    theirs = cloud.client("organizations", access_key=member)
    theirs.leave_organization()
    assert refused(theirs.describe_organization)[0] == "AWSOrganizationsNotInUseException"
    assert refused(org.leave_organization)[0] == "MasterCannotLeaveOrganizationException"
    assert len(org.list_accounts()["Accounts"]) == 1


def test_pages(org, organization) -> None:
    for number in range(3):
        org.create_account(Email=f"{number}@example.com", AccountName=str(number))
    pages = list(org.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(each["Accounts"]) for each in pages] == [2, 2]


def test_a_bad_token(org, organization, refused) -> None:
    assert refused(org.list_accounts, NextToken="nothing") == (
        "InvalidInputException",
        "INVALID_NEXT_TOKEN",
    )
