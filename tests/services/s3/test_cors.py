"""Cross-origin requests. Answers as recorded: TestS3Cors."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from serein.wire.http import HttpResponse
from tests.cloud import ENDPOINT, Cloud
from tests.services.s3.words import BUCKET, put

ORIGIN = "https://localhost:4200"
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
RULE: dict[str, Any] = {
    "AllowedOrigins": [ORIGIN],
    "AllowedMethods": ["GET", "PUT"],
    "MaxAgeSeconds": 3000,
    "AllowedHeaders": ["*"],
}


def options(cloud: Cloud, path: str = f"/{BUCKET}/k", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cloud.http("OPTIONS", ENDPOINT + path, named)


def error_of(answer: HttpResponse) -> dict[str, str | None]:
    assert isinstance(answer.body, bytes)
    return {child.tag: child.text for child in ElementTree.fromstring(answer.body)}


def cors_of(answer: HttpResponse) -> dict[str, str]:
    return {
        name: value
        for name, value in answer.headers
        if name.startswith("Access-Control") or name == "Vary"
    }


def set_rule(s3: Any, **changed: Any) -> None:
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [{**RULE, **changed}]})


def test_without_a_configuration(cloud: Cloud, s3: Any, bucket: str) -> None:
    answer = options(cloud, f"/{BUCKET}")
    assert answer.status == 400
    error = error_of(answer)
    assert error["Code"] == "BadRequest"
    assert error["Message"] == "Insufficient information. Origin request header needed."
    answer = options(cloud, f"/{BUCKET}", origin=ORIGIN, access_control_request_method="PUT")
    error = error_of(answer)
    assert (answer.status, error["Code"]) == (403, "AccessForbidden")
    assert error["Message"] == "CORSResponse: CORS is not enabled for this bucket."
    assert (error["Method"], error["ResourceType"]) == ("PUT", "BUCKET")
    error = error_of(options(cloud, f"/{BUCKET}", origin=ORIGIN))
    assert error["Method"] == "OPTIONS"


def test_preflight(cloud: Cloud, s3: Any, bucket: str) -> None:
    set_rule(s3)
    answer = options(cloud, origin=ORIGIN, access_control_request_method="PUT")
    assert (answer.status, answer.body) == (200, b"")
    assert cors_of(answer) == {
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, PUT",
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Max-Age": "3000",
        "Vary": VARY,
    }
    wrong = options(cloud, origin="https://other", access_control_request_method="PUT")
    error = error_of(wrong)
    assert (wrong.status, error["Code"], error["Method"]) == (403, "AccessForbidden", "PUT")
    assert (error["ResourceType"], cors_of(wrong)) == ("OBJECT", {})
    assert str(error["Message"]).startswith("CORSResponse: This CORS request is not allowed.")


def test_simple_requests(cloud: Cloud, s3: Any, bucket: str) -> None:
    put(s3, "k", b"test-cors")
    set_rule(s3, AllowedMethods=["GET"])
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "k"})
    answer = cloud.http("GET", url, {"origin": ORIGIN})
    assert (answer.status, answer.body) == (200, b"test-cors")
    assert cors_of(answer)["Access-Control-Allow-Origin"] == ORIGIN
    assert cors_of(answer)["Vary"] == VARY
    assert cors_of(cloud.http("GET", url)) == {}
    assert cors_of(cloud.http("GET", url, {"origin": "https://other"})) == {}
    refusal = cloud.http("GET", f"{ENDPOINT}/{BUCKET}/k", {"origin": ORIGIN})
    assert refusal.status == 403
    assert cors_of(refusal)["Access-Control-Allow-Origin"] == ORIGIN


def test_everybody_and_exposed_headers(cloud: Cloud, s3: Any, bucket: str) -> None:
    exposed = ["x-amz-id-2", "x-amz-request-id", "x-amz-request-payer"]
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "ExposeHeaders": exposed}
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    answer = options(cloud, origin=ORIGIN, access_control_request_method="GET")
    assert cors_of(answer) == {
        "Access-Control-Allow-Methods": "GET",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": ", ".join(exposed),
        "Vary": VARY,
    }


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("http://*.origin.com", "http://test.origin.com", True),
        ("http://*.origin.com", "http://test.origin.org", False),
        ("http://a*a", "http://a", False),
        ("http://exact", "http://exact", True),
    ],
)
def test_wildcards(
    cloud: Cloud, s3: Any, bucket: str, pattern: str, origin: str, allowed: bool
) -> None:
    set_rule(s3, AllowedOrigins=[pattern])
    answer = options(cloud, origin=origin, access_control_request_method="GET")
    assert answer.status == (200 if allowed else 403)


def test_headers_asked_for(cloud: Cloud, s3: Any, bucket: str) -> None:
    set_rule(s3, AllowedHeaders=["x-amz-*", "Content-Type"])
    asked = {"origin": ORIGIN, "access_control_request_method": "PUT"}
    answer = options(cloud, **asked, access_control_request_headers="X-Amz-Date, content-type")
    told = cors_of(answer)["Access-Control-Allow-Headers"]
    assert told == "x-amz-date, content-type"
    assert options(cloud, **asked, access_control_request_headers="x-other").status == 403


def test_by_host(cloud: Cloud, s3: Any, bucket: str) -> None:
    set_rule(s3)
    answer = cloud.http(
        "OPTIONS",
        f"http://{BUCKET}.s3.localhost:4566/k",
        {"origin": ORIGIN, "access-control-request-method": "GET"},
    )
    assert answer.status == 200
