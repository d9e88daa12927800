"""AssumeRoleWithSAML: a role's session for whoever brings a signed assertion of a SAML provider that the account knows.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from serein.base.errors import AwsError
from serein.base.later import later
from serein.kernel.calls import Call
from serein.kernel.identities import Identities
from serein.kernel.operations import Context, operation
from serein.services.sts.access import looking_in, on_role, role_arn
from serein.services.sts.federation import Visitor, check_transitive, find_role, judge
from serein.services.sts.model import (
    ExpiredTokenException,
    IDPRejectedClaimException,
    InvalidIdentityTokenException,
)
from serein.services.sts.operations.sessions import duration_of, open_session
from serein.services.sts.rules.session_policies import session_limits, tags_checked

if TYPE_CHECKING:
    from serein.engines.saml import metadata, responses
else:
    # The XML libraries are loaded with the first assertion.
    metadata = later("serein.engines.saml.metadata")
    responses = later("serein.engines.saml.responses")

Request = Mapping[str, Any]
Answer = dict[str, Any]
NAME = "AssumeRoleWithSAML"
SIGN_IN = ("https://signin.aws.amazon.com/saml", "urn:amazon:webservices")
"""The audiences and recipients that AWS takes; regional endpoints `https://<region>.signin.aws.amazon.com/saml` too."""
ATTRIBUTE = "https://aws.amazon.com/SAML/Attributes/"
ISSUED_S_MAX = 300.0
SKEW_S = 300.0
_REGIONAL = re.compile(
    r"https://([a-z0-9-]+\.)?signin\.aws\.amazon\.com/(platform/)?saml(/acs/[\w-]+)?"
)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
_TYPES = {
    "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent": "persistent",
    "urn:oasis:names:tc:SAML:2.0:nameid-format:transient": "transient",
}
_PERSON = "urn:oid:1.3.6.1.4.1.5923.1.1.1."
_ATTRIBUTES = {
    f"{_PERSON}1": "edupersonaffiliation",
    f"{_PERSON}5": "edupersonprimaryaffiliation",
    f"{_PERSON}6": "edupersonprincipalname",
    f"{_PERSON}7": "edupersonentitlement",
    f"{_PERSON}9": "edupersonscopedaffiliation",
    f"{_PERSON}11": "edupersonassurance",
    "urn:oid:2.5.4.3": "cn",
    "urn:oid:2.5.4.4": "surname",
    "urn:oid:2.5.4.42": "givenname",
    "urn:oid:0.9.2342.19200300.100.1.1": "uid",
    "urn:oid:0.9.2342.19200300.100.1.3": "mail",
}
"""Attributes that are condition keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-saml
"""


def operations(identities: Identities) -> ModuleType:
    """AssumeRoleWithSAML, over the roles of `identities`."""
    module = ModuleType(__name__)

    @operation(
        "AssumeRoleWithSAML", on=on_role, unsigned=True, ignores=("MinimumSessionTokenSize",)
    )
    async def assume_role_with_saml(cx: Context, request: Request) -> Answer:
        """Temporary credentials of a role, for an assertion. Nobody has to sign this request; the assertion is signed."""
        arn = role_arn(request["RoleArn"])
        limits = session_limits(request, arn.account)
        told = await _verified(cx, arn.account, request)
        _check_times(told, cx.now)
        name = _session_name(told)
        _check_role(told, request)
        role = find_role(cx.read(), identities, request["RoleArn"], NAME)
        visitor = _visitor(told, request, name)
        call = Call("sts", NAME, dict(request), cx.principal, cx.scope)
        judge(cx, identities, role, NAME, visitor, call)
        duration_s = min(duration_of(request, role), _left_s(told, cx.now))
        answer = await open_session(
            cx,
            role,
            name,
            duration_s,
            limits,
            tags=visitor.tags,
            transitive=visitor.transitive,
            source_identity=visitor.source_identity,
            provider=visitor.provider,
        )
        return {
            **answer,
            "Subject": told.subject,
            "SubjectType": _TYPES.get(told.subject_type, told.subject_type),
            "Issuer": told.issuer,
            "Audience": told.recipients[0] if told.recipients else None,
            "NameQualifier": _name_qualifier(told, request["PrincipalArn"]),
        }

    module.__dict__.update(assume_role_with_saml=assume_role_with_saml)
    return module


async def _verified(cx: Context, account: str, request: Request) -> responses.Assertion:
    """What the assertion says, once a certificate of the provider's metadata is known to have signed it."""
    provider = request["PrincipalArn"]
    ask = cx.make_call(
        "iam", "GetSAMLProvider", {"SAMLProviderArn": provider}, by=looking_in(account)
    )
    try:
        found = metadata.read_metadata((await cx.call(ask))["SAMLMetadataDocument"])
    except AwsError as error:
        if error.code not in ("NoSuchEntity", "InvalidInput"):
            raise
        raise InvalidIdentityTokenException(
            "Specified provider doesn't exist (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlManifestNotFoundException)"
        ) from error
    try:
        text = base64.b64decode("".join(request["SAMLAssertion"].split()), validate=True)
        told = responses.read_response(text, found.certificates, cx.now)
    except responses.UnsignedSaml as error:
        raise InvalidIdentityTokenException("Response signature invalid") from error
    except (binascii.Error, ValueError) as error:
        raise InvalidIdentityTokenException(
            "Invalid base64 SAMLResponse or SAML document"
        ) from error
    if told.issuer != found.entity_id:
        raise InvalidIdentityTokenException("Issuer not present in specified provider")
    if not any(_is_sign_in(each) for each in told.recipients):
        raise InvalidIdentityTokenException("Response did not contain a valid recipient")
    if told.audiences and not any(_is_sign_in(each) for each in told.audiences):
        raise InvalidIdentityTokenException("Audience is invalid")
    return told


def _is_sign_in(text: str) -> bool:
    return text in SIGN_IN or _REGIONAL.fullmatch(text) is not None


def _check_times(told: responses.Assertion, now: float) -> None:
    if told.not_before is not None and told.not_before > now + SKEW_S:
        raise InvalidIdentityTokenException("Assertion is not valid yet.")
    for until in (told.not_on_or_after, told.confirmed_until):
        if until is not None and now >= until:
            raise ExpiredTokenException("Token must be redeemed within 5 minutes of issuance")
    if told.issued_at is None or now - told.issued_at > ISSUED_S_MAX:
        raise ExpiredTokenException("Token must be redeemed within 5 minutes of issuance")


def _one(told: responses.Assertion, name: str) -> str:
    values = told.attributes.get(ATTRIBUTE + name, ())
    return values[0] if values else ""


def _session_name(told: responses.Assertion) -> str:
    name = _one(told, "RoleSessionName")
    if not name:
        raise InvalidIdentityTokenException("RoleSessionName is required in AuthnResponse")
    if not _SESSION_NAME.fullmatch(name):
        raise InvalidIdentityTokenException(
            "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"
        )
    return name


def _check_role(told: responses.Assertion, request: Request) -> None:
    """The assertion must name the role together with the provider, in either order."""
    wanted = {request["RoleArn"], request["PrincipalArn"]}
    for pair in told.attributes.get(ATTRIBUTE + "Role", ()):
        if {each.strip() for each in pair.split(",")} == wanted:
            return
    raise IDPRejectedClaimException("The requested role and provider are not in the assertion.")


def _visitor(told: responses.Assertion, request: Request, name: str) -> Visitor:
    provider = request["PrincipalArn"]
    keys: dict[str, tuple[str, ...]] = {
        "saml:aud": told.recipients[:1],
        "saml:iss": (told.issuer,),
        "saml:sub": (told.subject,),
        "saml:sub_type": (_TYPES.get(told.subject_type, told.subject_type),),
        "saml:namequalifier": (_name_qualifier(told, provider),),
        "saml:doc": ("/".join((provider.split(":")[4], provider.rpartition("/")[2])),),
        "sts:rolesessionname": (name,),
    }
    for attribute, key in _ATTRIBUTES.items():
        if attribute in told.attributes:
            keys[f"saml:{key}"] = told.attributes[attribute]
    prefix = ATTRIBUTE + "PrincipalTag:"
    tags = tags_checked(
        {
            attribute.removeprefix(prefix): values[0]
            for attribute, values in told.attributes.items()
            if attribute.startswith(prefix) and values
        }
    )
    transitive = told.attributes.get(ATTRIBUTE + "TransitiveTagKeys", ())
    return Visitor(
        provider=provider,
        keys=keys,
        tags=tags,
        transitive=check_transitive(tags, transitive),
        source_identity=_one(told, "SourceIdentity"),
    )


def _name_qualifier(told: responses.Assertion, provider: str) -> str:
    """Issuer, account and provider, hashed, so that a subject is known from one of the same name elsewhere.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html#API_AssumeRoleWithSAML_ResponseElements
    """
    text = f"{told.issuer}{provider.split(':')[4]}/{provider.rpartition('/')[2]}"
    return base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _left_s(told: responses.Assertion, now: float) -> float:
    """How long the provider lets the session last (SessionNotOnOrAfter). The attribute SessionDuration is for the console alone."""
    if told.session_until is None:
        return float("inf")
    if told.session_until <= now:
        raise ExpiredTokenException("The session that the assertion is about is over.")
    return told.session_until - now
