"""Who calls. https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""

from __future__ import annotations

from tests.cloud import Cloud


def test_get_caller_identity(cloud: Cloud) -> None:
    told = cloud.client("sts").get_caller_identity()
    assert told["Arn"] == "arn:aws:iam::000000000000:root"
    assert (told["Account"], told["UserId"]) == ("000000000000", "000000000000")
    other = cloud.client("sts", access_key="123456789012").get_caller_identity()
    assert other["Account"] == "123456789012"


def test_get_access_key_info(cloud: Cloud) -> None:
    owner = cloud.client("iam", access_key="123456789012")
    owner.create_user(UserName="bob")
    key = owner.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    sts = cloud.client("sts")
    assert sts.get_access_key_info(AccessKeyId=key)["Account"] == "123456789012"


def test_get_access_key_info_of_what_is_none(cloud: Cloud, refused) -> None:
    assert (
        refused(cloud.client("sts").get_access_key_info, AccessKeyId="x" * 20)[0]
        == "ValidationError"
    )


def test_decode_authorization_message(cloud: Cloud, refused) -> None:
    told = refused(cloud.client("sts").decode_authorization_message, EncodedMessage="x")
    assert told[0] == "InvalidAuthorizationMessageException"


def test_accounts_are_apart(cloud: Cloud, refused) -> None:
    cloud.client("iam", access_key="111111111111").create_user(UserName="bob")
    assert refused(cloud.client("iam").get_user, UserName="bob")[0] == "NoSuchEntity"
