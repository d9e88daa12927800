"""AssumeRoleWithWebIdentity. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from botocore import UNSIGNED

from serein.kernel.calls import ANONYMOUS
from tests.cloud import Cloud
from tests.services.sts.issuers import Issuer

ACCOUNT = "000000000000"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example.com"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"


@pytest.fixture(params=["RS256", "ES256"])
def issuer(request: Any, cloud: Cloud, iam: Any) -> Issuer:
    """An issuer that the account knows."""
    made = Issuer(algorithm=request.param)
    cloud.house.dispatch.fetcher = made
    iam.create_open_id_connect_provider(Url=made.url, ClientIDList=["sts.amazonaws.com"])
    return made


@pytest.fixture
def sts(cloud: Cloud) -> Any:
    """STS without a signature."""
    return cloud.client("sts", signature_version=UNSIGNED)


@pytest.fixture
def deployer(iam: Any) -> Callable[..., None]:
    """A role that lets the issuer's visitors in."""

    def make(actions: Any = "sts:AssumeRoleWithWebIdentity", **condition: Any) -> None:
        statement = {
            "Effect": "Allow",
            "Action": actions,
            "Principal": {"Federated": PROVIDER},
            "Condition": {
                "StringEquals": {"issuer.example.com:aud": "sts.amazonaws.com"},
                **condition,
            },
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=document)

    return make


def assume(sts: Any, token: str, **more: Any) -> Any:
    return sts.assume_role_with_web_identity(
        RoleArn=ROLE, RoleSessionName="build", WebIdentityToken=token, **more
    )


def test_a_session(cloud, sts, issuer, deployer, iam, document) -> None:
    deployer(StringLike={"issuer.example.com:sub": "jo?"})
    iam.put_role_policy(
        RoleName="deployer", PolicyName="p", PolicyDocument=document("sqs:CreateQueue")
    )
    answer = assume(sts, issuer.token(cloud.clock.now()))
    assert answer["SubjectFromWebIdentityToken"] == "job"
    assert answer["Audience"] == "sts.amazonaws.com"
    assert answer["Provider"] == PROVIDER
    assert answer["AssumedRoleUser"]["Arn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/build"
    )
    given = answer["Credentials"]
    sqs = cloud.client(
        "sqs",
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )
    sqs.create_queue(QueueName="q")
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    assume(sts, issuer.token(cloud.clock.now()))
    assert len(issuer.asked) == 2, "the keys are kept"


def test_who_is_not_let_in(cloud, sts, issuer, deployer, refused) -> None:
    words = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    token = issuer.token(cloud.clock.now())
    assert refused(assume, sts=sts, token=token) == words, "no such role"
    deployer(StringEquals={"issuer.example.com:sub": "other"})
    assert refused(assume, sts=sts, token=token) == words


@pytest.mark.parametrize(
    ("claims", "code", "message"),
    [
        ({"aud": "other"}, "InvalidIdentityToken", "Incorrect token audience"),
        ({"sub": None}, "InvalidIdentityToken", "Missing a required claim: sub"),
        (
            {"iss": "https://unknown.example.com"},
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for https://unknown.example.com",
        ),
        ({"exp": 1_000_000_000}, "ExpiredTokenException", "Token expired"),
        ({"exp": "soon"}, "InvalidIdentityToken", "The claim exp is not a number"),
    ],
)
def test_claims(cloud, sts, issuer, deployer, refused, claims, code, message) -> None:
    """Wording as AWS's knowledge center quotes it: https://repost.aws/knowledge-center/iam-oidc-idp-federation"""
    deployer()
    found = refused(assume, sts=sts, token=issuer.token(cloud.clock.now(), **claims))
    assert found[0] == code
    assert found[1].startswith(message)


def test_tokens_that_nobody_of_the_issuer_signed(cloud, sts, issuer, deployer, refused) -> None:
    deployer()
    now = cloud.clock.now()
    stranger = Issuer(algorithm=issuer.algorithm)
    good = issuer.token(now)
    head, body, signature = good.split(".")
    none = jwt.encode(jwt.decode(good, options={"verify_signature": False}), "", algorithm="none")
    # The public key's text taken for a shared secret: https://nvd.nist.gov/vuln/detail/CVE-2016-10555
    forged = jwt.encode(
        jwt.decode(good, options={"verify_signature": False}),
        str(sorted(issuer.keys["one"].items())).ljust(64),
        algorithm="HS256",
        headers={"kid": "one"},
    )
    for token in (
        stranger.token(now),
        none,
        forged,
        f"{head}.{body}.{signature[:-6]}AAAAAA",
        f"{head}.{issuer.token(now, sub='admin').split('.')[1]}.{signature}",
        "no.token.atall",
    ):
        assert refused(assume, sts=sts, token=token)[0] == "InvalidIdentityToken"


def test_keys_change(cloud, sts, issuer, deployer, refused) -> None:
    deployer()
    assume(sts, issuer.token(cloud.clock.now()))
    issuer.rotate("two")
    cloud.advance(11)
    assume(sts, issuer.token(cloud.clock.now()))
    assert len(issuer.asked) == 4


def test_an_issuer_that_is_away(cloud, sts, issuer, deployer, refused) -> None:
    deployer()
    issuer.is_up = False
    found = refused(assume, sts=sts, token=issuer.token(cloud.clock.now()))
    assert found[0] == "InvalidIdentityToken"
    assert found[1].startswith("Couldn't retrieve verification key from your identity provider")
    assume_again = issuer.token(cloud.clock.now())
    refused(assume, sts=sts, token=assume_again)
    assert len(issuer.asked) == 1, "it is not asked at once again"
    issuer.is_up = True
    cloud.advance(11)
    assume(sts, issuer.token(cloud.clock.now()))


def test_tags_and_source_identity(cloud, sts, issuer, deployer, iam, refused) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp"""
    claims = {
        "https://aws.amazon.com/tags": {
            "principal_tags": {"team": ["blue"]},
            "transitive_tag_keys": ["team"],
        },
        "https://aws.amazon.com/source_identity": "jo",
    }
    token = issuer.token(cloud.clock.now(), **claims)
    deployer(
        [
            "sts:AssumeRoleWithWebIdentity",
            "sts:SetSourceIdentity",
        ]
    )
    assert refused(assume, sts=sts, token=token)[0] == "AccessDenied"
    iam.delete_role(RoleName="deployer")
    deployer(
        ["sts:AssumeRoleWithWebIdentity", "sts:SetSourceIdentity", "sts:TagSession"],
        StringEqualsIfExists={"aws:RequestTag/team": "blue"},
    )
    assert assume(sts, token)["SourceIdentity"] == "jo"


def test_provider_id_is_refused(cloud, sts, issuer, deployer, refused) -> None:
    deployer()
    found = refused(
        assume, sts=sts, token=issuer.token(cloud.clock.now()), ProviderId="www.amazon.com"
    )
    assert found[0] == "ValidationError"


def test_an_issuer_with_a_slash_at_its_end(cloud, iam, sts) -> None:
    """As Auth0's: the slash is part of the issuer, of the provider and of the condition keys."""
    made = Issuer("https://auth.example.com/")
    cloud.house.dispatch.fetcher = made
    provider = iam.create_open_id_connect_provider(Url=made.url, ClientIDList=["a"])
    arn = provider["OpenIDConnectProviderArn"]
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": arn},
        "Condition": {"StringEquals": {"auth.example.com/:aud": "a"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=document)
    answer = assume(sts, made.token(cloud.clock.now(), aud="a"))
    assert answer["Provider"] == arn
    assert made.asked[0] == "/.well-known/openid-configuration"


def test_an_issuer_is_asked_once_however_many_come(cloud, iam, deployer) -> None:
    made = Issuer()
    cloud.house.dispatch.fetcher = made
    iam.create_open_id_connect_provider(Url=made.url, ClientIDList=["sts.amazonaws.com"])
    deployer()
    context = cloud.context(ANONYMOUS)
    params = {"RoleArn": ROLE, "RoleSessionName": "build"}

    async def all_at_once() -> list[Any]:
        calls = [
            context.make_call(
                "sts",
                "AssumeRoleWithWebIdentity",
                {**params, "WebIdentityToken": made.token(cloud.clock.now(), sub=str(number))},
            )
            for number in range(8)
        ]
        return await asyncio.gather(*(context.call(call) for call in calls))

    answers = cloud.run(all_at_once())
    assert [each["SubjectFromWebIdentityToken"] for each in answers] == [str(n) for n in range(8)]
    assert len(made.asked) == 2
