"""Tokens, and what their owners may do. https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.oci import digest_of
from tests.services.ecr.conftest import HOST, Registry


def user_with(cloud: Cloud, *actions: str, resource: str = "*") -> dict[str, str]:
    """The keys of a user who may do this."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    iam.put_user_policy(
        UserName="u",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    key = iam.create_access_key(UserName="u")["AccessKey"]
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}


def test_a_token_is_for_twelve_hours(cloud: Cloud, ecr: Any, registry: Registry):
    data = ecr.get_authorization_token()["authorizationData"][0]
    assert data["proxyEndpoint"] == HOST
    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
    assert data["expiresAt"].timestamp() == pytest.approx(cloud.clock.now() + 12 * 3600, abs=1)
    cloud.advance(12 * 3600 - 10)
    assert registry.ask("GET", "/v2/")[0] == 200
    cloud.advance(11)
    status, _, body = registry.ask("GET", "/v2/")
    error = json.loads(body)["errors"][0]
    # What docker shows when a login is too old.
    assert (status, error["code"]) == (403, "DENIED")
    assert error["message"] == (
        "Your authorization token has expired. Reauthenticate and try again."
    )


@pytest.mark.parametrize("change", ["user", "bit", "cut", "none", "bearer", "scheme"])
def test_what_is_no_token_is_refused(cloud: Cloud, registry: Registry, change: str):
    user, _, password = base64.b64decode(registry.token).decode().partition(":")
    headers = {
        "user": registry.as_user("root", password),
        "bit": registry.as_user(
            user, password[:40] + ("A" if password[40] != "A" else "B") + password[41:]
        ),
        "cut": registry.as_user(user, password[:20]),
        "none": "",
        "bearer": "Bearer abc",
        "scheme": f"Digest {registry.token}",
    }
    answer = cloud.http("GET", f"{HOST}/v2/", {"Authorization": headers[change]})
    assert answer.status == 401


def test_a_token_is_no_session_token(cloud: Cloud, registry: Registry):
    """Nor the address of a layer: each kind is sealed for itself."""
    password = base64.b64decode(registry.token).decode().partition(":")[2]
    assert cloud.http("GET", f"http://127.0.0.1:4566/_serein/ecr/layers/{password}").status == 403


def test_the_token_does_what_its_user_may(cloud: Cloud, ecr: Any, repository: str):
    keys = user_with(cloud, "ecr:GetAuthorizationToken", "ecr:InitiateLayerUpload")
    registry = Registry(cloud, cloud.client("ecr", **keys))
    assert registry.ask("GET", "/v2/")[0] == 200
    status, headers, _ = registry.ask("POST", "/v2/team/app/blobs/uploads/")
    assert status == 202
    status, _, body = registry.ask("PATCH", headers["location"], b"x")
    error = json.loads(body)["errors"][0]
    assert (status, error["code"]) == (403, "DENIED")
    assert (
        "ecr:UploadLayerPart on resource: arn:aws:ecr:us-east-1:000000000000:repository/team/app"
        in error["message"]
    )
    for method, path in (
        ("GET", "/v2/team/app/manifests/v1"),
        ("PUT", "/v2/team/app/manifests/v1"),
        ("DELETE", "/v2/team/app/manifests/v1"),
        ("GET", f"/v2/team/app/blobs/{digest_of(b'')}"),
        ("HEAD", f"/v2/team/app/blobs/{digest_of(b'')}"),
        ("GET", "/v2/team/app/tags/list"),
        ("GET", f"/v2/team/app/referrers/{digest_of(b'')}"),
        ("GET", "/v2/_catalog"),
    ):
        assert registry.ask(method, path, b"{}")[0] == 403, path


def test_what_is_taken_from_a_user_the_token_loses(cloud: Cloud, ecr: Any, repository: str):
    keys = user_with(cloud, "ecr:*")
    registry = Registry(cloud, cloud.client("ecr", **keys))
    assert registry.ask("GET", "/v2/team/app/tags/list")[0] == 200
    cloud.client("iam").delete_user_policy(UserName="u", PolicyName="p")
    assert registry.ask("GET", "/v2/team/app/tags/list")[0] == 403


def test_another_account_by_the_repositorys_policy(cloud: Cloud, ecr: Any, repository: str):
    other = cloud.client("ecr", access_key="111111111111")
    registry = Registry(cloud, other)
    assert registry.ask("GET", "/v2/team/app/tags/list")[0] == 403
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "ecr:ListImages",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ecr.set_repository_policy(repositoryName=repository, policyText=policy)
    assert registry.ask("GET", "/v2/team/app/tags/list")[0] == 200
    assert registry.ask("POST", "/v2/team/app/blobs/uploads/")[0] == 403
