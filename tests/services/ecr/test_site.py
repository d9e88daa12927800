"""The registry that container tools talk to.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.cloud import Cloud
from tests.oci import INDEX, MANIFEST, Image, descriptor, digest_of, folder_of
from tests.services.ecr.conftest import Registry

IMAGE = Image([folder_of({"a": b"1"}), folder_of({"b": b"2"})])
UPLOADS = "/v2/team/app/blobs/uploads/"


def code_of(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    return answer[0], json.loads(answer[2])["errors"][0]["code"]


def push(registry: Registry, image: Image, reference: str) -> tuple[int, dict[str, str], bytes]:
    for digest, content in image.blobs.items():
        registry.push_blob("team/app", content, digest)
    path = f"/v2/team/app/manifests/{reference}"
    return registry.ask("PUT", path, image.manifest, Content_Type=MANIFEST)


def test_who_has_no_token_is_told_how_to_get_in(cloud: Cloud, registry: Registry):
    answer = cloud.http("GET", f"{registry.host}/v2/")
    headers = {name.lower(): value for name, value in answer.headers}
    assert answer.status == 401
    assert headers["www-authenticate"].startswith("Basic realm=")
    assert headers["docker-distribution-api-version"] == "registry/2.0"
    assert registry.ask("GET", "/v2/")[0] == 200


@pytest.mark.parametrize("host", ["http://127.0.0.1:4566", "http://localhost:4566"])
def test_the_default_account_is_at_the_plain_address(registry: Registry, host: str):
    assert registry.ask("GET", f"{host}/v2/")[0] == 200


def test_signed_requests_below_v2_are_other_apis(cloud: Cloud):
    # API Gateway's HTTP APIs have the path /v2/apis.
    assert cloud.client("apigatewayv2").get_apis()["Items"] == []


def test_push_and_pull(registry: Registry, repository: str):
    status, headers, _ = push(registry, IMAGE, "v1")
    assert (status, headers["docker-content-digest"]) == (201, IMAGE.digest)
    for reference in ("v1", IMAGE.digest):
        status, headers, body = registry.ask("GET", f"/v2/team/app/manifests/{reference}")
        assert (status, body) == (200, IMAGE.manifest)
        assert headers["content-type"] == MANIFEST
        assert headers["docker-content-digest"] == IMAGE.digest
    status, headers, body = registry.ask("HEAD", "/v2/team/app/manifests/v1")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(IMAGE.manifest)))
    for digest, content in IMAGE.blobs.items():
        assert registry.ask("GET", f"/v2/team/app/blobs/{digest}")[2] == content
    # To push the same again is no error.
    assert push(registry, IMAGE, "v1")[0] == 201


def test_ranges(registry: Registry, repository: str):
    content = b"0123456789"
    registry.push_blob("team/app", content, digest_of(content))
    path = f"/v2/team/app/blobs/{digest_of(content)}"
    status, headers, body = registry.ask("GET", path, Range="bytes=2-4")
    assert (status, body, headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert registry.ask("GET", path, Range="bytes=-3")[2] == b"789"
    assert registry.ask("GET", path, Range="bytes=7-")[2] == b"789"
    assert registry.ask("GET", path, Range="bytes=10-")[0] == 416
    status, headers, body = registry.ask("HEAD", path)
    assert (status, body, headers["content-length"]) == (200, b"", "10")


def test_in_one_request(registry: Registry, repository: str):
    content = b"monolithic"
    digest = digest_of(content)
    status, headers, _ = registry.ask("POST", f"{UPLOADS}?digest={quote(digest)}", content)
    assert (status, headers["location"]) == (201, f"/v2/team/app/blobs/{digest}")
    wrong = registry.ask("POST", f"{UPLOADS}?digest={digest_of(b'x')}", content)
    assert code_of(wrong) == (400, "DIGEST_INVALID")


def test_in_pieces_with_a_break(registry: Registry, repository: str):
    _, headers, _ = registry.ask("POST", UPLOADS)
    place = headers["location"]
    status, headers, _ = registry.ask("PATCH", place, b"01234", Content_Range="0-4")
    assert (status, headers["range"]) == (202, "0-4")
    # A piece that does not follow is refused, and the upload tells where it is.
    out_of_order = registry.ask("PATCH", place, b"9", Content_Range="9-9")
    assert code_of(out_of_order) == (416, "BLOB_UPLOAD_INVALID")
    assert code_of(registry.ask("PATCH", place, b"9", Content_Range="x"))[0] == 416
    status, headers, _ = registry.ask("GET", place)
    assert (status, headers["range"]) == (204, "0-4")
    registry.ask("PATCH", place, b"567", Content_Range="5-7")
    digest = digest_of(b"0123456789")
    status, _, _ = registry.ask("PUT", f"{place}?digest={digest}", b"89", Content_Range="8-9")
    assert status == 201
    assert registry.ask("GET", f"/v2/team/app/blobs/{digest}")[2] == b"0123456789"
    assert code_of(registry.ask("GET", place)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_is_given_up(cloud: Cloud, registry: Registry, ecr: Any, repository: str):
    _, headers, _ = registry.ask("POST", UPLOADS)
    assert registry.ask("DELETE", headers["location"])[0] == 204
    assert registry.ask("GET", headers["location"])[0] == 404
    _, headers, _ = registry.ask("POST", UPLOADS)
    registry.ask("PATCH", headers["location"], b"half")
    cloud.advance(86_401)
    later = Registry(cloud, ecr)
    assert code_of(later.ask("GET", headers["location"])) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_the_empty_blob(registry: Registry, repository: str):
    _, headers, _ = registry.ask("POST", UPLOADS)
    digest = digest_of(b"")
    assert registry.ask("PUT", f"{headers['location']}?digest={digest}")[0] == 201
    assert registry.ask("GET", f"/v2/team/app/blobs/{digest}")[::2] == (200, b"")


def test_mounts(registry: Registry, ecr: Any, repository: str):
    content = b"shared"
    digest = digest_of(content)
    registry.push_blob("team/app", content, digest)
    ecr.create_repository(repositoryName="other")
    mount = f"/v2/other/blobs/uploads/?mount={quote(digest)}&from=team/app"
    assert registry.ask("POST", mount)[0] == 201
    assert registry.ask("GET", f"/v2/other/blobs/{digest}")[2] == content
    # What cannot be mounted has to be uploaded.
    absent = f"/v2/other/blobs/uploads/?mount={digest_of(b'absent')}&from=team/app"
    assert registry.ask("POST", absent)[0] == 202
    ecr.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")
    assert registry.ask("POST", mount)[0] == 202


def test_tags_and_catalog_by_pages(registry: Registry, ecr: Any, repository: str):
    for tag in ("b", "a", "c"):
        push(registry, IMAGE, tag)
    status, headers, body = registry.ask("GET", "/v2/team/app/tags/list?n=2")
    assert (status, json.loads(body)) == (200, {"name": "team/app", "tags": ["a", "b"]})
    following = headers["link"].partition(">")[0].lstrip("<")
    assert json.loads(registry.ask("GET", following)[2])["tags"] == ["c"]
    ecr.create_repository(repositoryName="other")
    _, headers, body = registry.ask("GET", "/v2/_catalog?n=1")
    assert json.loads(body) == {"repositories": ["other"]}
    assert "link" in headers


def test_indexes_and_referrers(registry: Registry, repository: str):
    push(registry, IMAGE, IMAGE.digest)
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [descriptor(IMAGE.manifest, MANIFEST)],
        }
    ).encode()
    path = "/v2/team/app/manifests/multi"
    assert registry.ask("PUT", path, index, Content_Type=INDEX)[0] == 201
    signature = Image([b"s"], subject=descriptor(IMAGE.manifest, MANIFEST), artifactType="a/sig")
    status, headers, _ = push(registry, signature, signature.digest)
    assert (status, headers["oci-subject"]) == (201, IMAGE.digest)
    status, headers, body = registry.ask("GET", f"/v2/team/app/referrers/{IMAGE.digest}")
    assert headers["content-type"] == INDEX
    found = json.loads(body)["manifests"]
    assert [(one["digest"], one["artifactType"]) for one in found] == [(signature.digest, "a/sig")]
    filtered = f"/v2/team/app/referrers/{IMAGE.digest}?artifactType=other"
    status, headers, body = registry.ask("GET", filtered)
    assert headers["oci-filters-applied"] == "artifactType"
    assert json.loads(body)["manifests"] == []


def test_deletes(registry: Registry, repository: str):
    push(registry, IMAGE, "v1")
    assert registry.ask("DELETE", "/v2/team/app/manifests/v1")[0] == 202
    gone = registry.ask("GET", f"/v2/team/app/manifests/{IMAGE.digest}")
    assert code_of(gone) == (404, "MANIFEST_UNKNOWN")
    layer = next(iter(IMAGE.blobs))
    assert code_of(registry.ask("DELETE", f"/v2/team/app/blobs/{layer}")) == (405, "UNSUPPORTED")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v2/absent/manifests/v1", (404, "NAME_UNKNOWN")),
        ("POST", "/v2/absent/blobs/uploads/", (404, "NAME_UNKNOWN")),
        ("GET", "/v2/team/app/manifests/absent", (404, "MANIFEST_UNKNOWN")),
        ("GET", f"/v2/team/app/blobs/{digest_of(b'absent')}", (404, "BLOB_UNKNOWN")),
        ("GET", "/v2/team/app/blobs/md5:00", (400, "DIGEST_INVALID")),
        ("GET", "/v2/team/app/manifests/%00", (400, "TAG_INVALID")),
        ("GET", "/v2/UPPER/manifests/v1", (400, "NAME_INVALID")),
        ("GET", "/v2/../../etc/manifests/v1", (400, "NAME_INVALID")),
        ("GET", "/v2/team/app/strange", (404, "NAME_INVALID")),
        ("POST", "/v2/team/app/tags/list", (405, "UNSUPPORTED")),
        ("GET", "/v2/team/app/tags/list?n=x", (400, "PAGINATION_NUMBER_INVALID")),
        ("PUT", f"{UPLOADS}00000000-0000-4000-8000-000000000000?digest=x", (400, "DIGEST_INVALID")),
    ],
)
def test_refusals(
    registry: Registry, repository: str, method: str, path: str, expected: tuple[int, str]
):
    assert code_of(registry.ask(method, path)) == expected


def test_manifests_are_judged(registry: Registry, repository: str):
    path = "/v2/team/app/manifests/v1"
    assert code_of(registry.ask("PUT", path, b"{")) == (400, "MANIFEST_INVALID")
    assert code_of(registry.ask("PUT", path, b"\xff")) == (400, "MANIFEST_INVALID")
    long = b" " * (4 * 1024 * 1024 + 1)
    assert code_of(registry.ask("PUT", path, long)) == (413, "SIZE_INVALID")
    absent = registry.ask("PUT", path, IMAGE.manifest, Content_Type=MANIFEST)
    assert code_of(absent) == (404, "MANIFEST_BLOB_UNKNOWN")


def test_a_repository_is_made_by_pushing_where_a_template_says_so(registry: Registry, ecr: Any):
    ecr.create_repository_creation_template(
        prefix="auto", appliedFor=["CREATE_ON_PUSH"], imageTagMutability="IMMUTABLE"
    )
    assert registry.ask("POST", "/v2/auto/made/blobs/uploads/")[0] == 202
    assert registry.ask("POST", "/v2/automatic/blobs/uploads/")[0] == 404
    made = ecr.describe_repositories(repositoryNames=["auto/made"])["repositories"][0]
    assert made["imageTagMutability"] == "IMMUTABLE"
