"""AssumeRoleWithSAML. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore import UNSIGNED
from lxml import etree

from tests.cloud import Cloud
from tests.services.sts.assertions import ATTRIBUTE, ISSUER, IdentityProvider

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/staff"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
ATTRIBUTES = {
    ATTRIBUTE + "Role": [f"{ROLE},{PROVIDER}"],
    ATTRIBUTE + "RoleSessionName": ["jo@example.com"],
}


@pytest.fixture(scope="module")
def idp() -> IdentityProvider:
    return IdentityProvider()


@pytest.fixture
def staff(iam: Any, idp: IdentityProvider) -> None:
    """The provider is known, and a role lets its people in."""
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata)
    statement = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        "Principal": {"Federated": PROVIDER},
        "Condition": {
            "StringEquals": {
                "saml:aud": "https://signin.aws.amazon.com/saml",
                "saml:iss": ISSUER,
                "saml:sub_type": "persistent",
            }
        },
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="staff", AssumeRolePolicyDocument=document, MaxSessionDuration=43_200)


@pytest.fixture
def assume(cloud: Cloud) -> Callable[..., Any]:
    """Calls without a signature."""
    sts = cloud.client("sts", signature_version=UNSIGNED)

    def call(assertion: str, **more: Any) -> Any:
        return sts.assume_role_with_saml(
            **{
                "RoleArn": ROLE,
                "PrincipalArn": PROVIDER,
                "SAMLAssertion": assertion,
                **more,
            }
        )

    return call


@pytest.mark.parametrize("sign", ["assertion", "response"])
def test_a_session(cloud, staff, idp, assume, sign) -> None:
    answer = assume(idp.response(cloud.clock.now(), sign=sign, attributes=ATTRIBUTES))
    assert answer["AssumedRoleUser"]["Arn"] == (
        f"arn:aws:sts::{ACCOUNT}:assumed-role/staff/jo@example.com"
    )
    assert (answer["Subject"], answer["SubjectType"]) == ("jo", "persistent")
    assert answer["Issuer"] == ISSUER
    assert answer["Audience"] == "https://signin.aws.amazon.com/saml"
    assert len(base64.b64decode(answer["NameQualifier"])) == 20
    given = answer["Credentials"]
    sts = cloud.client(
        "sts",
        access_key=given["AccessKeyId"],
        secret_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )
    assert sts.get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    lasts_s = given["Expiration"].timestamp() - cloud.clock.now()
    assert 3590 < lasts_s <= 3600


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"recipient": "https://evil.example.com"}, "InvalidIdentityToken", "Response did not"),
        ({"audience": "https://evil.example.com"}, "InvalidIdentityToken", "Audience is invalid"),
        ({"issuer": "https://other.example.com"}, "InvalidIdentityToken", "Issuer not present"),
        ({"issued_s_ago": 301.0}, "ExpiredTokenException", "Token must be redeemed within 5"),
        ({"lives_s": -1.0}, "ExpiredTokenException", "Token must be redeemed within 5"),
        ({"sign": ""}, "InvalidIdentityToken", "Response signature invalid"),
        (
            {"attributes": {ATTRIBUTE + "Role": [f"{ROLE},{PROVIDER}"]}},
            "InvalidIdentityToken",
            "RoleSessionName is required in AuthnResponse",
        ),
        (
            {
                "attributes": {
                    **ATTRIBUTES,
                    ATTRIBUTE + "Role": [f"{ROLE}2,{PROVIDER}"],
                }
            },
            "IDPRejectedClaim",
            "",
        ),
    ],
)
def test_bad_assertions(cloud, staff, idp, assume, refused, change, code, message) -> None:
    given = {"attributes": ATTRIBUTES, **change}
    found = refused(assume, assertion=idp.response(cloud.clock.now(), **given))
    assert found[0] == code
    assert found[1].startswith(message)


def test_forgeries(cloud, staff, idp, assume, refused) -> None:
    """Another's key, changed texts, and signatures wrapped around other contents."""
    now = cloud.clock.now()
    good = base64.b64decode(idp.response(now, attributes=ATTRIBUTES))
    stranger = IdentityProvider().response(now, attributes=ATTRIBUTES)
    changed = good.replace(b"jo@example.com", b"root@example.com")
    texts = [base64.b64decode(stranger), changed, b"<x/>", b"nothing", _wrapped(good)]
    texts.append(b'<!DOCTYPE a [<!ENTITY b "c">]>' + good)
    for text in texts:
        found = refused(assume, assertion=base64.b64encode(text).decode())
        assert found[0] == "InvalidIdentityToken", text[:60]
    assert refused(assume, assertion="!!!!")[0] == "InvalidIdentityToken"


def _wrapped(good: bytes) -> bytes:
    """The signed assertion hidden in an extension, an evil one in its place."""
    root = etree.fromstring(good)
    namespace = "{urn:oasis:names:tc:SAML:2.0:assertion}"
    signed = root.find(f"{namespace}Assertion")
    evil = etree.fromstring(etree.tostring(signed).replace(b"jo@example.com", b"root@evil.com"))
    evil.set("ID", "_evil")
    signature = evil.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    root.replace(signed, evil)
    holder = etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object")
    holder.append(signed)
    return etree.tostring(root)


def test_an_unknown_provider(cloud, staff, idp, assume, refused) -> None:
    found = refused(
        assume,
        assertion=idp.response(cloud.clock.now(), attributes=ATTRIBUTES),
        PrincipalArn=f"arn:aws:iam::{ACCOUNT}:saml-provider/other",
    )
    assert found[0] == "InvalidIdentityToken"


def test_tags_and_duration(cloud, staff, idp, assume, refused) -> None:
    attributes = {**ATTRIBUTES, ATTRIBUTE + "PrincipalTag:team": ["blue"]}
    now = cloud.clock.now()
    answer = assume(idp.response(now, attributes=attributes), DurationSeconds=7200)
    lasts_s = answer["Credentials"]["Expiration"].timestamp() - now
    assert 7190 < lasts_s <= 7200
    answer = assume(idp.response(now, attributes=attributes, session_s=1000.0))
    assert 990 < answer["Credentials"]["Expiration"].timestamp() - now <= 1000
    source = {**ATTRIBUTES, ATTRIBUTE + "SourceIdentity": ["jo"]}
    found = refused(assume, assertion=idp.response(now, attributes=source))
    assert found[0] == "AccessDenied", "sts:SetSourceIdentity is not allowed"
