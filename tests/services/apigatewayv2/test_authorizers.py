"""Who may use a route.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control.html
"""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Issuer:
    """Signs tokens; its keys are served by an API of the house."""

    def __init__(self, gateway: Any) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.fetches = 0
        gateway.function("issuer", self._answer)
        self.api_id = gateway.api.create_api(
            Name="issuer", ProtocolType="HTTP", Target=FUNCTION + "issuer"
        )["ApiId"]
        self.url = f"http://{self.api_id}.execute-api.localhost:4566/pool"
        self.now = gateway.clock.now

    def _answer(self, event: dict[str, Any]) -> Any:
        self.fetches += 1
        if event["rawPath"] == "/pool/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        numbers = self.key.public_key().public_numbers()
        modulus = numbers.n.to_bytes(256, "big")
        return {"keys": [{"kty": "RSA", "kid": "k1", "n": encoded(modulus), "e": "AQAB"}]}

    def token(self, kid: str = "k1", alg: str = "RS256", **claims: Any) -> str:
        given = {"iss": self.url, "aud": "app", "exp": int(self.now()) + 60, "sub": "me", **claims}
        given = {name: value for name, value in given.items() if value is not None}
        head = encoded(orjson.dumps({"alg": alg, "kid": kid}))
        signed = f"{head}.{encoded(orjson.dumps(given))}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encoded(signature)}"


@pytest.fixture
def issuer(gateway) -> Issuer:
    return Issuer(gateway)


def guarded(gateway, authorizer: dict[str, Any], **route: Any) -> str:
    """An API with one guarded route "GET /x"."""
    api_id = gateway.served("2.0")
    made = gateway.api.create_authorizer(ApiId=api_id, Name="who", **authorizer)
    [integration] = gateway.api.get_integrations(ApiId=api_id)["Items"]
    gateway.api.create_route(
        ApiId=api_id,
        RouteKey="GET /x",
        Target=f"integrations/{integration['IntegrationId']}",
        AuthorizerId=made["AuthorizerId"],
        **route,
    )
    gateway.function("f", lambda event: event["requestContext"]["authorizer"])
    return api_id


def jwt_api(gateway, issuer: Issuer, **route: Any) -> str:
    authorizer = {
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": issuer.url, "Audience": ["app", "other"]},
    }
    return guarded(gateway, authorizer, AuthorizationType="JWT", **route)


def test_valid_token_passes_with_its_claims(gateway, issuer: Issuer) -> None:
    api_id = jwt_api(gateway, issuer)
    token = issuer.token(scope="a b", groups=["x", "y"], flag=True)
    for text in (token, f"Bearer {token}", f"bearer {token}"):
        answer = gateway.visit(api_id, path="/x", headers={"Authorization": text})
        assert answer.status == 200
        shown = json.loads(answer.body)["jwt"]
        assert shown["claims"]["sub"] == "me"
        assert (shown["claims"]["groups"], shown["claims"]["flag"]) == ("[x y]", "true")
        assert shown["scopes"] is None
    assert issuer.fetches == 2  # The keys are kept.


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"iss": "https://other"},
        {"aud": "stranger"},
        {"aud": None},
        {"nbf": 99999999999},
        {"kid": "k2"},
        {"alg": "none"},
        {"alg": "HS256"},
        {"exp": "soon"},
    ],
)
def test_other_tokens_are_401(gateway, issuer: Issuer, claims: dict[str, Any]) -> None:
    api_id = jwt_api(gateway, issuer)
    answer = gateway.visit(api_id, path="/x", headers={"Authorization": issuer.token(**claims)})
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert "invalid_token" in dict(answer.headers)["www-authenticate"]


def test_missing_forged_and_malformed_tokens_are_401(gateway, issuer: Issuer) -> None:
    api_id = jwt_api(gateway, issuer)
    assert gateway.visit(api_id, path="/x").status == 401
    head, _, signature = issuer.token().split(".")
    forged = f"{head}.{encoded(orjson.dumps({'iss': issuer.url, 'aud': 'app'}))}.{signature}"
    for text in (forged, "x", "a.b.c", "..", f"{head}.{head}", ""):
        assert gateway.visit(api_id, path="/x", headers={"Authorization": text}).status == 401


def test_client_id_stands_in_for_the_audience_and_scopes_are_asked_for(
    gateway, issuer: Issuer
) -> None:
    api_id = jwt_api(gateway, issuer, AuthorizationScopes=["read", "write"])
    good = issuer.token(aud=None, client_id="other", scope="x write")
    answer = gateway.visit(api_id, path="/x", headers={"Authorization": good})
    assert json.loads(answer.body)["jwt"]["scopes"] == ["read", "write"]
    answer = gateway.visit(api_id, path="/x", headers={"Authorization": issuer.token(scope="x")})
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')


def function_api(gateway, **members: Any) -> str:
    authorizer = {
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": URI.format(FUNCTION + "auth"),
        "AuthorizerPayloadFormatVersion": "2.0",
        "EnableSimpleResponses": True,
        "IdentitySource": ["$request.header.X-Key", "$request.querystring.q"],
        "AuthorizerResultTtlInSeconds": 60,
        **members,
    }
    return guarded(gateway, authorizer, AuthorizationType="CUSTOM")


def test_function_decides_and_is_remembered(gateway) -> None:
    api_id = function_api(gateway)
    asked = []

    def auth(event: dict[str, Any]) -> dict[str, Any]:
        asked.append(event)
        return {
            "isAuthorized": event["headers"]["x-key"] == "good",
            "context": {"user": "u", "n": 1},
        }

    gateway.function("auth", auth)
    answer = gateway.visit(api_id, path="/x?q=1", headers={"X-Key": "good"})
    assert json.loads(answer.body) == {"lambda": {"user": "u", "n": 1}}
    assert asked[0]["type"] == "REQUEST"
    assert asked[0]["identitySource"] == ["good", "1"]
    root = f"arn:aws:execute-api:us-east-1:000000000000:{api_id}"
    assert asked[0]["routeArn"] == root + "/$default/GET/x"
    assert gateway.functions.sources[0].startswith(root + "/authorizers/")
    assert gateway.visit(api_id, path="/x?q=1", headers={"X-Key": "good"}).status == 200
    assert len(asked) == 1
    gateway.advance(61)
    gateway.visit(api_id, path="/x?q=1", headers={"X-Key": "good"})
    assert len(asked) == 2
    answer = gateway.visit(api_id, path="/x?q=1", headers={"X-Key": "bad"})
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    # A missing identity source is refused without asking.
    answer = gateway.visit(api_id, path="/x", headers={"X-Key": "good"})
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert len(asked) == 3


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_function_answers_with_a_policy(gateway, version: str) -> None:
    api_id = function_api(
        gateway, AuthorizerPayloadFormatVersion=version, EnableSimpleResponses=False
    )
    effect = ["Allow"]

    def auth(event: dict[str, Any]) -> dict[str, Any]:
        arn = event["methodArn"] if version == "1.0" else event["routeArn"]
        statement = {"Action": "execute-api:Invoke", "Effect": effect[0], "Resource": arn}
        return {
            "principalId": "p",
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": {"a": "b"},
        }

    gateway.function("auth", auth)
    answer = gateway.visit(api_id, path="/x?q=1", headers={"X-Key": "1"})
    assert json.loads(answer.body) == {"lambda": {"a": "b"}}
    effect[0] = "Deny"
    assert gateway.visit(api_id, path="/x?q=1", headers={"X-Key": "2"}).status == 403


def test_broken_authorizer_is_500(gateway) -> None:
    api_id = function_api(gateway)
    for result in ({"isAuthorized": "yes"}, [], b"x"):
        gateway.function("auth", lambda event, result=result: result)
        answer = gateway.visit(api_id, path="/x?q=1", headers={"X-Key": "1"})
        assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


def test_iam_route_needs_a_signature_and_permission(gateway) -> None:
    api_id = gateway.served("2.0", "GET /x")
    [route] = gateway.api.get_routes(ApiId=api_id)["Items"]
    gateway.api.update_route(ApiId=api_id, RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
    gateway.function("f", lambda event: event["requestContext"]["authorizer"])
    answer = gateway.visit(api_id, path="/x")
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')

    def signed(access_key: str, secret_key: str) -> Any:
        url = f"http://{api_id}.execute-api.localhost:4566/x"
        request = AWSRequest("GET", url)
        SigV4Auth(Credentials(access_key, secret_key), "execute-api", "us-east-1").add_auth(request)
        return gateway.http("GET", url, dict(request.headers.items()))

    shown = json.loads(signed("test", "test").body)["iam"]
    assert shown["userArn"] == "arn:aws:iam::000000000000:root"
    iam = gateway.client("iam")
    iam.create_user(UserName="u")
    keys = iam.create_access_key(UserName="u")["AccessKey"]
    pair = keys["AccessKeyId"], keys["SecretAccessKey"]
    assert signed(*pair).status == 403
    arn = f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/*/GET/x"
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}
    iam.put_user_policy(
        UserName="u",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    assert json.loads(signed(*pair).body)["iam"]["userArn"].endswith(":user/u")
    assert signed(pair[0], "wrong").status == 403


def test_authorizers_are_listed_changed_and_protected(gateway) -> None:
    api_id = function_api(gateway)
    [told] = gateway.api.get_authorizers(ApiId=api_id)["Items"]
    assert told == {
        "AuthorizerId": told["AuthorizerId"],
        "AuthorizerPayloadFormatVersion": "2.0",
        "AuthorizerResultTtlInSeconds": 60,
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": URI.format(FUNCTION + "auth"),
        "EnableSimpleResponses": True,
        "IdentitySource": ["$request.header.X-Key", "$request.querystring.q"],
        "Name": "who",
    }
    where = {"ApiId": api_id, "AuthorizerId": told["AuthorizerId"]}
    assert gateway.api.update_authorizer(**where, Name="new")["Name"] == "new"
    with pytest.raises(ClientError) as error:
        gateway.api.delete_authorizer(**where)
    assert error.value.response["Error"]["Code"] == "ConflictException"
    [route] = gateway.api.get_routes(ApiId=api_id)["Items"]
    gateway.api.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    gateway.api.delete_authorizer(**where)
    with pytest.raises(ClientError) as error:
        gateway.api.get_authorizer(**where)
    assert error.value.response["Error"]["Code"] == "NotFoundException"


@pytest.mark.parametrize(
    "members",
    [
        {"AuthorizerType": "JWT", "IdentitySource": ["$request.header.A"]},
        {
            "AuthorizerType": "JWT",
            "IdentitySource": ["A"],
            "JwtConfiguration": {"Issuer": "https://x"},
        },
        {"AuthorizerType": "REQUEST", "IdentitySource": [], "AuthorizerUri": "x"},
        {
            "AuthorizerType": "REQUEST",
            "IdentitySource": [],
            "AuthorizerUri": URI.format(FUNCTION + "a"),
        },
    ],
)
def test_bad_authorizers_are_refused(gateway, members: dict[str, Any]) -> None:
    api_id = gateway.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    with pytest.raises(ClientError) as error:
        gateway.api.create_authorizer(ApiId=api_id, Name="n", **members)
    assert error.value.response["Error"]["Code"] == "BadRequestException"
