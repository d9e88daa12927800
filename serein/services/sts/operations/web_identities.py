"""AssumeRoleWithWebIdentity: a role's session for whoever brings a token of an OpenID Connect provider that the account knows.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from serein.base.errors import AwsError
from serein.base.later import later
from serein.kernel.calls import Call
from serein.kernel.identities import Identities
from serein.kernel.operations import Context, operation
from serein.services.sts.access import looking_in, on_role, role_arn, session_conditions
from serein.services.sts.federation import Visitor, check_transitive, find_role, judge
from serein.services.sts.key_sets import KeySets
from serein.services.sts.model import ExpiredTokenException, InvalidIdentityTokenException
from serein.services.sts.operations.sessions import duration_of, open_session
from serein.services.sts.rules.session_policies import session_limits, tags_of_token
from serein.services.sts.rules.words import ValidationError

if TYPE_CHECKING:
    from serein.engines.tokens import json_web_tokens
else:
    # The token library is loaded with the first token.
    json_web_tokens = later("serein.engines.tokens.json_web_tokens")

Request = Mapping[str, Any]
Answer = dict[str, Any]
NAME = "AssumeRoleWithWebIdentity"
ARN_CHARACTERS_MAX = 2048
TAGS_CLAIM = "https://aws.amazon.com/tags"
SOURCE_CLAIM = "https://aws.amazon.com/source_identity"
_CLAIMS = ("sub", "amr")
_CLAIMS_OF = MappingProxyType(
    {
        "token.actions.githubusercontent.com": (
            "actor",
            "actor_id",
            "enterprise_id",
            "environment",
            "job_workflow_ref",
            "ref",
            "repository",
            "repository_id",
            "repository_owner",
            "repository_visibility",
            "workflow",
        )
    }
)
"""The claims of single providers that are condition keys besides.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
"""


def operations(identities: Identities, key_sets: KeySets) -> ModuleType:
    """AssumeRoleWithWebIdentity, over the roles of `identities` and these key sets."""
    module = ModuleType(__name__)

    @operation(
        "AssumeRoleWithWebIdentity",
        on=on_role,
        unsigned=True,
        conditions=session_conditions,
        ignores=("MinimumSessionTokenSize",),
    )
    async def assume_role_with_web_identity(cx: Context, request: Request) -> Answer:
        """Temporary credentials of a role, for a token. Nobody has to sign this request."""
        arn = role_arn(request["RoleArn"])
        if request.get("ProviderId"):
            raise ValidationError(
                "ProviderId is for access tokens of OAuth 2.0 providers; Serein takes ID tokens of OpenID Connect "
                "providers only."
            )
        limits = session_limits(request, arn.account)
        token = _read(request["WebIdentityToken"])
        provider = await _find_provider(cx, arn.account, token.claims)
        audience = _check_claims(token.claims, provider, cx.now)
        await _verify(cx, key_sets, token, provider)
        role = find_role(cx.read(), identities, request["RoleArn"], NAME)
        visitor = _visitor(token.claims, provider, audience, request)
        call = Call("sts", NAME, dict(request), cx.principal, cx.scope)
        judge(cx, identities, role, NAME, visitor, call)
        answer = await open_session(
            cx,
            role,
            request["RoleSessionName"],
            duration_of(request, role),
            limits,
            tags=visitor.tags,
            transitive=visitor.transitive,
            source_identity=visitor.source_identity,
            provider=visitor.provider,
        )
        return {
            **answer,
            "SubjectFromWebIdentityToken": token.claims["sub"],
            "Provider": provider["Arn"],
            "Audience": audience,
        }

    module.__dict__.update(assume_role_with_web_identity=assume_role_with_web_identity)
    return module


def _read(text: str) -> json_web_tokens.Token:
    try:
        token = json_web_tokens.read_token(text)
    except json_web_tokens.MalformedToken as error:
        raise InvalidIdentityTokenException(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        ) from error
    for name in ("iss", "sub", "aud", "exp", "iat"):
        if name not in token.claims:
            raise InvalidIdentityTokenException(f"Missing a required claim: {name}")
    return token


async def _find_provider(cx: Context, account: str, claims: Mapping[str, Any]) -> Answer:
    """The account's provider of that issuer, as IAM tells it, with its ARN. Raises InvalidIdentityToken."""
    issuer = str(claims["iss"])
    host = issuer.removeprefix("https://")
    other = host.removesuffix("/") if host.endswith("/") else host + "/"
    for known in (host, other):
        arn = f"arn:aws:iam::{account}:oidc-provider/{known}"
        if len(arn) > ARN_CHARACTERS_MAX:
            break
        params = {"OpenIDConnectProviderArn": arn}
        ask = cx.make_call("iam", "GetOpenIDConnectProvider", params, by=looking_in(account))
        try:
            return {**await cx.call(ask), "Arn": arn}
        except AwsError as error:
            if error.code != "NoSuchEntity":
                raise
    raise InvalidIdentityTokenException(
        f"No OpenIDConnect provider found in your account for {issuer[:ARN_CHARACTERS_MAX]}"
    )


def _check_claims(claims: Mapping[str, Any], provider: Answer, now: float) -> str:
    """The audience, when the token is for this provider's clients and its time has come and is not over."""
    given = claims["aud"]
    audiences = [str(each) for each in given] if isinstance(given, list) else [str(given)]
    wanted = [str(claims["azp"])] if claims.get("azp") else audiences
    audience = next((each for each in wanted if each in provider["ClientIDList"]), None)
    if audience is None:
        raise InvalidIdentityTokenException("Incorrect token audience")
    expires_at = _number(claims, "exp")
    if now >= expires_at:
        raise ExpiredTokenException(
            f"Token expired: current date/time {_shown(now)} must be before the expiration date/time{_shown(expires_at)}"
        )
    for name in ("nbf", "iat"):
        if name in claims and _number(claims, name) > now + 300:
            raise InvalidIdentityTokenException("The web identity token is not valid yet.")
    return audience


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise InvalidIdentityTokenException(f"The claim {name} is not a number.")
    return float(value)


def _shown(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(at)


async def _verify(
    cx: Context, key_sets: KeySets, token: json_web_tokens.Token, provider: Answer
) -> None:
    """Raises InvalidIdentityToken unless a key of the issuer signed the token. An unknown key is looked for once more."""
    issuer = str(token.claims["iss"])
    thumbprints = tuple(provider["ThumbprintList"])
    tried: dict[str, Any] | None = None
    for _ in range(2):
        keys = await key_sets.of(cx, issuer, thumbprints, unlike=tried)
        if keys is None:
            raise InvalidIdentityTokenException(
                "Couldn't retrieve verification key from your identity provider,  please reference "
                f"{NAME} documentation for requirements"
            )
        if keys is tried:
            break
        try:
            json_web_tokens.KeySet(keys).verify(token)
        except json_web_tokens.UntrustedToken:
            tried = keys
            continue
        return
    raise InvalidIdentityTokenException(
        "The ID Token provided is not a valid JWT. Its signature could not be verified."
    )


def _visitor(
    claims: Mapping[str, Any], provider: Answer, audience: str, request: Request
) -> Visitor:
    host = str(provider["Url"])
    keys: dict[str, Sequence[str]] = {f"{host}:aud".lower(): (audience,)}
    if claims.get("azp"):
        keys[f"{host}:oaud".lower()] = _texts(claims["aud"])
    for name in (*_CLAIMS, *_CLAIMS_OF.get(host, ())):
        if name in claims:
            keys[f"{host}:{name}".lower()] = _texts(claims[name])
    keys["sts:rolesessionname"] = (request["RoleSessionName"],)
    tags, transitive = tags_of_token(claims.get(TAGS_CLAIM))
    return Visitor(
        provider=str(provider["Arn"]),
        keys=keys,
        tags=tags,
        transitive=check_transitive(tags, transitive),
        source_identity=str(claims.get(SOURCE_CLAIM) or ""),
    )


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(str(each) for each in values)
