"""Access keys. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"""

from __future__ import annotations

import re

from tests.cloud import Cloud


def test_a_key_signs_for_its_user(cloud: Cloud, iam, user) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key["AccessKeyId"])
    assert len(key["SecretAccessKey"]) == 40
    assert key["Status"] == "Active"
    sts = cloud.client("sts", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"].endswith("user/bob")


def test_a_wrong_secret_is_refused(cloud: Cloud, iam, user, refused) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    sts = cloud.client("sts", access_key=key["AccessKeyId"], secret_key="wrong")
    assert refused(sts.get_caller_identity)[0] == "SignatureDoesNotMatch"


def test_two_at_most(iam, user, refused) -> None:
    iam.create_access_key(UserName=user)
    iam.create_access_key(UserName=user)
    told = refused(iam.create_access_key, UserName=user)
    assert told == ("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    assert len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"]) == 2


def test_switched_off_and_deleted_keys_do_not_sign(cloud: Cloud, iam, user, refused) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    sts = cloud.client("sts", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert iam.list_access_keys(UserName=user)["AccessKeyMetadata"][0]["Status"] == "Inactive"
    assert refused(sts.get_caller_identity)[0] == "InvalidClientTokenId"
    iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Active")
    sts.get_caller_identity()
    iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    told = refused(iam.delete_access_key, UserName=user, AccessKeyId=key["AccessKeyId"])
    assert told == ("NoSuchEntity", f"The Access Key with id {key['AccessKeyId']} cannot be found.")


def test_last_use_is_told_a_minute_later(cloud: Cloud, iam, user) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    ask = {"AccessKeyId": key["AccessKeyId"]}
    never = iam.get_access_key_last_used(**ask)
    assert never["UserName"] == user
    assert never["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    own = cloud.client("sts", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    own.get_caller_identity()
    cloud.advance(61)
    last = cloud.client("iam").get_access_key_last_used(**ask)["AccessKeyLastUsed"]
    assert (last["ServiceName"], last["Region"]) == ("sts", "us-east-1")


def test_the_roots_own_key(iam, refused) -> None:
    """What strict mode is entered with: made in open mode, known from then on."""
    key = iam.create_access_key()["AccessKey"]
    assert iam.list_access_keys()["AccessKeyMetadata"][0]["AccessKeyId"] == key["AccessKeyId"]
    strict = Cloud(auth_open=False)
    try:
        assert refused(strict.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"
    finally:
        strict.close()


def test_the_root_signs_with_its_key(cloud: Cloud, iam, refused) -> None:
    key = iam.create_access_key()["AccessKey"]
    keys = {"access_key": key["AccessKeyId"]}
    own = cloud.client("sts", secret_key=key["SecretAccessKey"], **keys)
    assert own.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    wrong = cloud.client("sts", secret_key="wrong", **keys)
    assert refused(wrong.get_caller_identity)[0] == "SignatureDoesNotMatch"
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
    iam.delete_access_key(AccessKeyId=key["AccessKeyId"])
    assert iam.list_access_keys()["AccessKeyMetadata"] == []
