"""Whatever a stranger sends is answered by an AWS error or read: nothing else escapes."""

from __future__ import annotations

from urllib.parse import urlencode

import cbor2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.base.errors import AwsError
from serein.wire.http import HttpRequest
from serein.wire.models import Wire

WIRE = Wire(["dynamodb", "sqs", "s3", "lambda", "apigatewayv2", "logs", "iam", "cloudformation"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
)


def values(names: list[str]) -> st.SearchStrategy:
    keys = st.sampled_from(names) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


def members_of(service: str, operation: str) -> list[str]:
    shape = WIRE.service(service).operation(operation).facts.input_shape
    assert shape is not None
    found = list(shape.members)
    for member in shape.members.values():
        inner = member.shape
        while inner.kind == "list":
            inner = inner.member.shape
        if inner.kind == "structure":
            found.extend(inner.members)
    return found


def answered(request: HttpRequest) -> None:
    target = None
    try:
        target = WIRE.identify(request)
        operation = WIRE.operation(target)
        assert isinstance(request.body, bytes)
        params = operation.parse(request, request.body, target)
        operation.validate(params)
    except AwsError as error:
        response = WIRE.serialise_error(error, "id", target=target, request=request)
        assert response.status >= 400
        assert isinstance(response.body, bytes)


JSON = [
    ("DynamoDB_20120810", "dynamodb", "TransactWriteItems"),
    ("DynamoDB_20120810", "dynamodb", "CreateTable"),
    ("AmazonSQS", "sqs", "SendMessageBatch"),
    ("Logs_20140328", "logs", "PutLogEvents"),
]


@pytest.mark.parametrize(("prefix", "service", "operation"), JSON)
def test_json(prefix: str, service: str, operation: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(values(members_of(service, operation)))
    def check(value: object) -> None:
        headers = {"x-amz-target": f"{prefix}.{operation}"}
        answered(HttpRequest("POST", "/", "", headers, [], orjson.dumps(value)))

    check()


@settings(max_examples=80, deadline=None)
@given(values(members_of("cloudwatch", "PutMetricData")))
def test_cbor(value: object) -> None:
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    headers = {"smithy-protocol": "rpc-v2-cbor"}
    answered(HttpRequest("POST", path, "", headers, [], cbor2.dumps(value)))


@settings(max_examples=80, deadline=None)
@given(values(members_of("lambda", "CreateFunction")))
def test_rest_json(value: object) -> None:
    answered(HttpRequest("POST", "/2015-03-31/functions", "", {}, [], orjson.dumps(value)))


NAMES = ["StackName", "Parameters", "member", "1", "2", "ParameterKey", "Tags", "Key", ""]


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.lists(st.sampled_from(NAMES), max_size=6).map(".".join), st.text()))
def test_forms(fields: dict[str, str]) -> None:
    text = urlencode({"Action": "CreateStack", "Version": "2010-05-15", **fields}, errors="replace")
    answered(HttpRequest("POST", "/", "", {}, [], text.encode()))


TAGS = ["Delete", "Object", "Key", "Quiet", "VersionId", "x:Object", "LastModifiedTime", "Size"]


def elements(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(st.sampled_from(TAGS), st.lists(inner, max_size=3)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    )


@settings(max_examples=80, deadline=None)
@given(elements(st.recursive(st.text("ab1&<>;#x ", max_size=5), elements, max_leaves=8)))
def test_xml(text: str) -> None:
    answered(HttpRequest("POST", "/bucket", "delete", {}, [], text.encode()))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", ""]),
    st.text("ab/%2F.+{}\\é", max_size=20),
    st.text("acl=&uploadId%partNumber1+;", max_size=20),
    st.dictionaries(
        st.sampled_from(
            ["host", "authorization", "x-amz-target", "content-type", "x-amz-date", "range"]
        ),
        st.text(max_size=20) | st.sampled_from(["b.s3.localhost", "Credential=a/b/c/lambda/x"]),
    ),
    st.binary(max_size=30),
)
def test_any_request(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    answered(HttpRequest(method, "/" + path, query, headers, [], body))
