"""Session tokens and federated users. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_request.html"""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Cloud
from tests.services.sts.test_roles import acting

ACCOUNT = "000000000000"


@pytest.fixture
def bob(cloud: Cloud, iam: Any, user: str) -> Any:
    """STS as the user bob."""
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return cloud.client("sts", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])


def test_get_session_token(cloud: Cloud, bob, iam, user, document, refused) -> None:
    answer = bob.get_session_token(DurationSeconds=1800)
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert 1795 <= answer["Credentials"]["Expiration"].timestamp() - cloud.clock.now() <= 1800
    own = acting(cloud, "sts", answer)
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/bob"
    told = refused(own.get_session_token)
    assert told == ("AccessDenied", "Cannot call GetSessionToken with session credentials")
    listing = acting(cloud, "sqs", answer)
    assert refused(listing.list_queues)[0].startswith("AccessDenied")
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document("sqs:ListQueues"))
    listing.list_queues()


def test_twelve_hours_and_one_for_the_root(cloud: Cloud, bob) -> None:
    now = cloud.clock.now()
    assert bob.get_session_token()["Credentials"]["Expiration"].timestamp() - now > 43_190
    root = cloud.client("sts").get_session_token()["Credentials"]
    assert root["Expiration"].timestamp() - now <= 3600


def test_get_federation_token(cloud: Cloud, bob, iam, user, document, refused) -> None:
    """Members as recorded in `test_get_federation_token`."""
    assert refused(bob.get_federation_token, Name="guest")[0] == "AccessDenied"
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document("*"))
    bare = bob.get_federation_token(Name="guest")
    bare.pop("ResponseMetadata")
    assert bare.keys() == {"Credentials", "FederatedUser", "PackedPolicySize"}
    assert bare["FederatedUser"] == {
        "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/guest",
        "FederatedUserId": f"{ACCOUNT}:guest",
    }
    assert bare["PackedPolicySize"] == 0
    assert refused(acting(cloud, "iam", bare).list_users)[0] == "AccessDenied"
    some = bob.get_federation_token(Name="guest", Policy=document("iam:ListUsers"))
    assert some["PackedPolicySize"] > 0
    own = acting(cloud, "iam", some)
    own.list_users()
    assert refused(own.list_roles)[1].endswith(
        "because no session policy allows the iam:ListRoles action"
    )
    told = acting(cloud, "sts", some).get_caller_identity()
    assert told["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    iam.put_user_policy(
        UserName=user, PolicyName="p", PolicyDocument=document("iam:ListUsers", effect="Deny")
    )
    assert refused(own.list_users)[0] == "AccessDenied"


def test_mfa_codes_cannot_be_right(bob, refused) -> None:
    told = refused(
        bob.get_session_token, SerialNumber="arn:aws:iam::000000000000:mfa/bob", TokenCode="123456"
    )
    assert told[0] == "AccessDenied"


def test_the_root_gives_a_part_of_what_it_may(cloud: Cloud, document, refused) -> None:
    answer = cloud.client("sts").get_federation_token(
        Name="guest", Policy=document("iam:ListUsers")
    )
    own = acting(cloud, "iam", answer)
    own.list_users()
    assert refused(own.list_roles)[0] == "AccessDenied"
    told = refused(acting(cloud, "sts", answer).get_federation_token, Name="again")
    assert told[0] == "AccessDenied"
