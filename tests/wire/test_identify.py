"""Which operation a request means. Paths and headers as AWS's API references give them."""

from __future__ import annotations

import pytest

from serein.wire.http import HttpRequest
from serein.wire.identify import Unidentified, bucket_of_host, s3_path
from serein.wire.models import Wire

SERVED = ["sts", "iam", "dynamodb", "sqs", "s3", "lambda", "apigatewayv2", "logs", "cloudformation"]
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire(SERVED)


def signed(service: str) -> dict[str, str]:
    scope = f"AKID/20250601/us-east-1/{service}/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    }


def ask(
    method: str, uri: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> HttpRequest:
    path, _, query = uri.partition("?")
    return HttpRequest(method, path, query, headers or {}, list((headers or {}).items()), body)


@pytest.mark.parametrize(
    ("method", "uri", "headers", "wanted"),
    [
        ("GET", "/", signed("s3"), ("s3", "ListBuckets")),
        ("GET", "/b", signed("s3"), ("s3", "ListObjects")),
        ("GET", "/b/", signed("s3"), ("s3", "ListObjects")),
        ("GET", "/b?list-type=2&prefix=a", signed("s3"), ("s3", "ListObjectsV2")),
        ("GET", "/b?location", signed("s3"), ("s3", "GetBucketLocation")),
        ("GET", "/b?uploads", signed("s3"), ("s3", "ListMultipartUploads")),
        ("GET", "/b?notification", {}, ("s3", "GetBucketNotificationConfiguration")),
        ("PUT", "/b?lifecycle", {}, ("s3", "PutBucketLifecycleConfiguration")),
        ("HEAD", "/b", {}, ("s3", "HeadBucket")),
        ("HEAD", "/b/k", {}, ("s3", "HeadObject")),
        ("POST", "/b?delete", {}, ("s3", "DeleteObjects")),
        ("GET", "/b/k?x-id=GetObject", {}, ("s3", "GetObject")),
        ("GET", "/b/k?X-Amz-Credential=A%2F1%2Fr%2Fs3%2Faws4_request", {}, ("s3", "GetObject")),
        ("GET", "/b/k?acl", {}, ("s3", "GetObjectAcl")),
        ("GET", "/b/k?uploadId=1", {}, ("s3", "ListParts")),
        ("PUT", "/b/k?partNumber=1&uploadId=1", {}, ("s3", "UploadPart")),
        ("PUT", "/b/k", {"x-amz-copy-source": "a/b"}, ("s3", "CopyObject")),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=1",
            {"x-amz-copy-source": "a/b"},
            ("s3", "UploadPartCopy"),
        ),
        ("POST", "/b/k?uploads", {}, ("s3", "CreateMultipartUpload")),
        ("POST", "/b/k?uploadId=1", {}, ("s3", "CompleteMultipartUpload")),
        ("DELETE", "/b/k?uploadId=1", {}, ("s3", "AbortMultipartUpload")),
        ("DELETE", "/b/k", {}, ("s3", "DeleteObject")),
        ("GET", "/x/y", {"host": "b.s3.localhost:4566"}, ("s3", "GetObject")),
        ("GET", "/", {"host": "b.s3.eu-west-1.localhost:4566"}, ("s3", "ListObjects")),
        ("GET", "/", {"host": "s3.localhost.localstack.cloud:4566"}, ("s3", "ListBuckets")),
        ("GET", "/2015-03-31/functions/", signed("lambda"), ("lambda", "ListFunctions")),
        ("GET", "/2015-03-31/functions", {}, ("lambda", "ListFunctions")),
        ("POST", "/2015-03-31/functions/f/invocations", {}, ("lambda", "Invoke")),
        ("GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3A", {}, ("lambda", "ListTags")),
        ("GET", "/v2/apis", signed("apigateway"), ("apigatewayv2", "GetApis")),
        ("GET", "/?Action=GetUser&Version=2010-05-08", {}, ("iam", "GetUser")),
        ("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", {}, ("sts", "GetCallerIdentity")),
        ("POST", "/", {"x-amz-target": "AmazonSQS.SendMessage"}, ("sqs", "SendMessage")),
        ("POST", "/", {"x-amz-target": "Logs_20140328.PutLogEvents"}, ("logs", "PutLogEvents")),
        (
            "POST",
            "/service/GraniteServiceVersion20100801/operation/PutMetricData",
            {"smithy-protocol": "rpc-v2-cbor"},
            ("cloudwatch", "PutMetricData"),
        ),
    ],
)
def test_operation_is_found(
    wire: Wire, method: str, uri: str, headers: dict[str, str], wanted: tuple[str, str]
) -> None:
    target = wire.identify(ask(method, uri, headers))
    assert (target.service, target.operation) == wanted


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("/b/a/b//c/", "a/b//c/"),
        ("/b//a", "/a"),
        ("/b/a%2Fb%20c+d", "a/b c+d"),
        ("/b/%E2%82%AC", "€"),
    ],
)
def test_object_keys_stay_as_they_are(wire: Wire, uri: str, key: str) -> None:
    assert wire.identify(ask("GET", uri)).path_params["Key"] == key


def test_query_form(wire: Wire) -> None:
    body = b"Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Fx%2F1%2Fq&MessageBody=a+b"
    request = ask("POST", "/000000000000/q", {"content-type": FORM}, body)
    target = wire.identify(request)
    assert (target.service, target.operation, target.protocol) == ("sqs", "SendMessage", "query")
    params = wire.operation(target).parse(request, body, target)
    assert params == {"QueueUrl": "http://x/1/q", "MessageBody": "a b"}


def test_a_form_for_a_bucket_is_not_query(wire: Wire) -> None:
    request = ask("PUT", "/b/k?Action=x", {**signed("s3"), "content-type": FORM})
    assert wire.identify(request).operation == "PutObject"


@pytest.mark.parametrize(
    ("request_", "code", "protocol"),
    [
        (
            ask("POST", "/", {"x-amz-target": "DynamoDB_20120810.Nope"}),
            "UnknownOperationException",
            "json",
        ),
        (ask("POST", "/", {"x-amz-target": "nonsense"}), "UnknownOperationException", "json"),
        (
            ask("POST", "/", {"content-type": FORM, **signed("iam")}, b"Action=Nope"),
            "InvalidAction",
            "query",
        ),
        (ask("PATCH", "/b/k", signed("s3")), "MethodNotAllowed", "rest-xml"),
        (ask("GET", "/nowhere", signed("lambda")), "UnknownOperationException", "rest-json"),
    ],
)
def test_refusals_are_in_the_callers_protocol(
    wire: Wire, request_: HttpRequest, code: str, protocol: str
) -> None:
    with pytest.raises(Unidentified) as caught:
        wire.identify(request_)
    assert (caught.value.code, caught.value.protocol) == (code, protocol)
    response = wire.serialise_error(caught.value, "id", request=request_)
    assert response.status >= 400


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("b.s3.amazonaws.com", "b"),
        ("a.b.c.s3.amazonaws.com", "a.b.c"),
        ("b.s3.us-west-2.amazonaws.com", "b"),
        ("b.s3-us-west-2.amazonaws.com", "b"),
        ("b.s3.localhost.localstack.cloud", "b"),
        ("b.s3.us-east-1.localhost.localstack.cloud", "b"),
        ("s3.localhost", ""),
        ("s3.us-east-1.amazonaws.com", ""),
        ("localhost", None),
        ("my-s3-thing.example.com", None),
    ],
)
def test_buckets_in_host_names(host: str, bucket: str | None) -> None:
    assert bucket_of_host(host) == bucket


def test_bare_virtual_hosts_need_a_signature_for_s3() -> None:
    host = {"host": "b.localhost:4566"}
    assert s3_path(ask("GET", "/k", {**host, **signed("s3")})) == "/b/k"
    assert s3_path(ask("GET", "/k", host)) == "/k"


def test_a_streaming_form_needs_its_body(wire: Wire) -> None:
    async def parts():
        yield b"Action=GetUser&Version=2010-05-08"

    request = ask("POST", "/", {"content-type": FORM})
    request.body = parts()
    assert wire.needs_body(request)
    request.headers["x-amz-target"] = "AmazonSQS.SendMessage"
    assert not wire.needs_body(request)
