"""Bucket websites. https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html"""

from __future__ import annotations

import json
from typing import Any

import pytest

from serein.services.s3.rules import website
from serein.wire.http import HttpResponse
from tests.cloud import Cloud
from tests.services.s3.words import BUCKET, put

HOST = f"{BUCKET}.s3-website.localhost:4566"
PAGES = ("index.html", "docs/index.html", "error.html", "plain")


@pytest.fixture
def site(cloud: Cloud, s3: Any, bucket: str) -> Any:
    """The bucket is public and has pages whose content is their key."""
    s3.delete_public_access_block(Bucket=BUCKET)
    allow = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{BUCKET}/*", f"arn:aws:s3:::{BUCKET}"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    for key in PAGES:
        put(s3, key, key.encode(), ContentType="text/html")
    configure(s3, ErrorDocument={"Key": "error.html"})
    return s3


def configure(s3: Any, **more: Any) -> None:
    configuration = {"IndexDocument": {"Suffix": "index.html"}, **more}
    s3.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration=configuration)


def get(cloud: Cloud, path: str, method: str = "GET", host: str = HOST) -> HttpResponse:
    return cloud.http(method, f"http://{host}{path}")


def location(answer: HttpResponse) -> tuple[int, str]:
    return answer.status, dict(answer.headers)["Location"]


@pytest.mark.parametrize(
    ("path", "status", "content"),
    [
        ("/", 200, b"index.html"),
        ("/docs/", 200, b"docs/index.html"),
        ("/plain", 200, b"plain"),
        ("/none", 404, b"error.html"),
        ("/none/", 404, b"error.html"),
    ],
)
def test_pages(cloud: Cloud, site: Any, path: str, status: int, content: bytes) -> None:
    answer = get(cloud, path)
    assert (answer.status, answer.body) == (status, content)
    assert dict(answer.headers)["Content-Type"] == "text/html"
    assert get(cloud, path, "HEAD").body == b""
    regional = f"{BUCKET}.s3-website.us-east-1.localhost:4566"
    assert get(cloud, path, host=regional).body == content


def test_folders_are_redirected_to(cloud: Cloud, site: Any) -> None:
    assert location(get(cloud, "/docs")) == (302, "/docs/")


def test_who_may_not_list_is_not_told_what_is_missing(cloud: Cloud, site: Any) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/CustomErrorDocument.html"""
    allow = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    site.put_bucket_policy(
        Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    )
    assert get(cloud, "/none").status == 403
    assert location(get(cloud, "/docs")) == (302, "/docs/")


def test_redirects(cloud: Cloud, site: Any) -> None:
    put(site, "moved", WebsiteRedirectLocation="https://elsewhere.test/x")
    assert location(get(cloud, "/moved")) == (301, "https://elsewhere.test/x")
    rules = [
        {
            "Condition": {"KeyPrefixEquals": "old/"},
            "Redirect": {"ReplaceKeyPrefixWith": "new/", "HttpRedirectCode": "302"},
        },
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {"HostName": "help.test", "Protocol": "https", "ReplaceKeyWith": "lost"},
        },
    ]
    configure(site, RoutingRules=rules)
    assert location(get(cloud, "/old/a")) == (302, f"http://{HOST}/new/a")
    assert location(get(cloud, "/none")) == (301, "https://help.test/lost")
    everything = {"RedirectAllRequestsTo": {"HostName": "other.test", "Protocol": "https"}}
    site.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration=everything)
    assert location(get(cloud, "/any?x=1")) == (301, "https://other.test/any?x=1")


def test_who_is_not_let_in(cloud: Cloud, site: Any) -> None:
    site.delete_bucket_policy(Bucket=BUCKET)
    answer = get(cloud, "/")
    assert answer.status == 403
    assert b"<li>Code: AccessDenied</li>" in bytes(answer.body)  # type: ignore[arg-type]


def test_without_a_website(cloud: Cloud, s3: Any, bucket: str) -> None:
    """As recorded: test_website_hosting_no_such_website."""
    answer = get(cloud, "/key")
    assert answer.status == 404
    assert isinstance(answer.body, bytes)
    assert answer.body.startswith(
        b"<html>\n<head><title>404 Not Found</title></head>\n<body>\n<h1>404 Not Found</h1>\n<ul>\n"
        b"<li>Code: NoSuchWebsiteConfiguration</li>\n"
        b"<li>Message: The specified bucket does not have a website configuration</li>\n"
        b"<li>BucketName: a-bucket</li>\n<li>RequestId: "
    )
    answer = get(cloud, "/", host="no-such-bucket.s3-website.localhost:4566")
    assert b"<li>Code: NoSuchBucket</li>" in bytes(answer.body)  # type: ignore[arg-type]


def test_methods_and_escaping(cloud: Cloud, site: Any) -> None:
    assert get(cloud, "/", "POST").status == 405
    page = website.error_page(404, "NoSuchKey", "<b>", {"Key": "<script>"}, "1", "2")
    assert b"<script>" not in page
    assert b"&lt;script&gt;" in page
