"""The published protocol cases, in both directions, with botocore itself as the other end.

Input: what a client serialises must parse to params that the client would serialise to the same again.
Output: what a client parses from the published answer, serialised by us, must parse to the same again.
"""

from __future__ import annotations

import base64
import datetime
from typing import Any
from urllib.parse import urlsplit

import botocore.model
import botocore.parsers
import botocore.serialize
import pytest

from serein.base.errors import AwsError
from serein.wire.facts import ErrorAnswer, Target
from serein.wire.forms import parse_pairs
from serein.wire.http import HttpRequest, HttpResponse
from serein.wire.models import _ERRORS
from tests.wire.protocol_cases import Case, cases

# Cases that do not apply to a server, each with its reason.
_FILLED_IN = "the client fills in a token that is not in the params; absent stays absent for us"
_COMPRESSED = "the published body is compressed and left out of the case"
_BOTOCORE = "botocore itself does not serialise this case as published (its own ignore list)"
_UNREADABLE = "botocore cannot read the published answer (its own ignore list)"
INPUT_SKIPPED: dict[str, str] = {
    "Ec2ProtocolIdempotencyTokenAutoFill": _FILLED_IN,
    "QueryProtocolIdempotencyTokenAutoFill": _FILLED_IN,
    "RestJsonQueryIdempotencyTokenAutoFill": _FILLED_IN,
    "QueryIdempotencyTokenAutoFill": _FILLED_IN,
    "AwsJson11StructuresDontSerializeNullValues": "null is absent for us; botocore would send it",
    "RestJsonHostWithPath": "the path prefix is part of the client's endpoint, not of the model",
    "RestXmlHostWithPath": "the path prefix is part of the client's endpoint, not of the model",
    "MediaTypeHeaderInputBase64": _BOTOCORE,
    "RestJsonQueryPrecedence": _BOTOCORE,
    "RestXmlQueryPrecedence": _BOTOCORE,
    "AllQueryStringTypes": "the client lets the map of single values overwrite the lists",
    "BodyWithXmlName": "the model of the case has lost the names that its body has",
}
OUTPUT_SKIPPED: dict[str, str] = {
    "RestJsonHttpPayloadWithUnsetUnion": _UNREADABLE,
    "RestXmlHttpPayloadWithUnsetUnion": _UNREADABLE,
    "RestJsonDeserializesDenseSetMapAndSkipsNull": _UNREADABLE,
}
# An empty prefix takes in all headers, those of every answer too.
_OF_EVERY_ANSWER = ("x-amzn-requestid", "content-type")


def operation_model(case: Case) -> botocore.model.OperationModel:
    service = botocore.model.ServiceModel(
        {
            "metadata": case.suite["metadata"],
            "shapes": case.suite["shapes"],
            "operations": {case.case["given"]["name"]: case.case["given"]},
        }
    )
    return botocore.model.OperationModel(case.case["given"], service, case.case["given"]["name"])


def request_of(case: Case) -> HttpRequest:
    serialised = case.case["serialized"]
    headers = {name.lower(): value for name, value in serialised.get("headers", {}).items()}
    raw = serialised.get("body") or ""
    body = base64.b64decode(raw) if case.protocol == "smithy-rpc-v2-cbor" else raw.encode()
    if body:
        headers.setdefault("content-length", str(len(body)))
    split = urlsplit(serialised["uri"])
    return HttpRequest(
        serialised.get("method", "POST"),
        split.path,
        split.query,
        headers,
        list(headers.items()),
        body,
    )


def target_of(case: Case, request: HttpRequest) -> Target:
    name = case.case["given"]["name"]
    labels: dict[str, str] = {}
    form = None
    if case.protocol.startswith("rest"):
        match = case.service().router.match(
            request.method, request.path, request.query, request.headers
        )
        assert match is not None
        assert match.operation == name
        labels = match.labels
    if case.protocol in ("query", "ec2"):
        form = parse_pairs(request.body.decode())
    return Target(service="", operation=name, protocol=case.protocol, path_params=labels, form=form)


def client_params(shape: Any, value: Any) -> Any:
    """The published params as a client is given them: numbers such as "NaN" are floats."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict) and not shape.is_document_type:
        return {k: client_params(shape.members[k], v) for k, v in value.items()}
    if kind == "list" and isinstance(value, list):
        return [client_params(shape.member, v) for v in value]
    if kind == "map" and isinstance(value, dict):
        return {k: client_params(shape.value, v) for k, v in value.items()}
    return float(value) if kind in ("float", "double") and isinstance(value, str) else value


def comparable(serialised: dict[str, Any]) -> dict[str, Any]:
    headers = {k.lower(): v for k, v in dict(serialised["headers"]).items()}
    query = {
        name: sorted(map(str, value if isinstance(value, list) else [value]))
        for name, value in dict(serialised["query_string"]).items()
    }
    query = {name: values for name, values in query.items() if values}
    return {**serialised, "headers": headers, "query_string": query}


@pytest.mark.parametrize("case", cases("input"))
def test_request_is_read(case: Case) -> None:
    if case.case["given"]["name"] == "PutWithContentEncoding":
        pytest.skip(_COMPRESSED)
    if case.id in INPUT_SKIPPED:
        pytest.skip(INPUT_SKIPPED[case.id])
    request = request_of(case)
    target = target_of(case, request)
    operation = case.service().operation(target.operation)
    params = operation.codec(case.protocol).parse(request, request.body, target)
    client = botocore.serialize.create_serializer(case.protocol, include_validation=False)
    model = operation_model(case)
    given = case.case["params"]
    if model.input_shape is not None:
        given = client_params(model.input_shape, given)
    wanted = comparable(client.serialize_to_request(given, model))
    assert comparable(client.serialize_to_request(params, model)) == wanted


def plain(value: Any) -> Any:
    """What botocore parsed, as a handler would answer it."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def client_parse(case: Case, status: int, headers: Any, body: bytes, shape: Any) -> Any:
    if not body and case.protocol == "query":
        return {"ResponseMetadata": {}}
    parser = botocore.parsers.create_parser(case.protocol)
    response = {
        "status_code": status,
        "headers": botocore.parsers.lowercase_dict(dict(headers)),
        "body": body,
        "context": {},
    }
    return parser.parse(response, shape)


def published_body(case: Case) -> bytes:
    raw = case.case["response"].get("body") or ""
    return base64.b64decode(raw) if case.protocol == "smithy-rpc-v2-cbor" else raw.encode()


@pytest.mark.parametrize("case", cases("output"))
def test_answer_is_written(case: Case) -> None:
    if case.id in OUTPUT_SKIPPED:
        pytest.skip(OUTPUT_SKIPPED[case.id])
    if "errorCode" in case.case or "error" in case.case:
        check_error(case)
        return
    shape = operation_model(case).output_shape
    response = case.case["response"]
    headers = response.get("headers", {})
    status = response.get("status_code", 200)
    wanted = plain(client_parse(case, status, headers, published_body(case), shape))
    operation = case.service().operation(case.case["given"]["name"])
    answer = operation.codec(case.protocol).serialise(wanted, "the-request-id")
    assert isinstance(answer.body, bytes)
    found = client_parse(case, answer.status, answer.headers, answer.body, shape)
    if case.id == "HttpPrefixHeadersResponse":
        for name in _OF_EVERY_ANSWER:
            del found["prefixHeaders"][name]
    assert repr(plain(found)) == repr(wanted)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == status


def check_error(case: Case) -> None:
    response = case.case["response"]
    status = response["status_code"]
    headers = response.get("headers", {})
    body = published_body(case)
    wanted = client_parse(case, status, headers, body, None)["Error"]
    service = case.service()
    modelled = service.error(case.case["errorCode"])
    fields: dict[str, Any] = {}
    model = operation_model(case)
    shape = model.service_model.shape_for_error_code(wanted["Code"])
    if shape is not None:
        fields = plain(client_parse(case, status, headers, body, shape))
    message = wanted.get("Message") or ""
    for name in ("message", "Message"):
        fields.pop(name, None)
    error = AwsError(message, code=case.case["errorCode"], status=status, fields=fields)
    answer = _ERRORS[case.protocol](
        ErrorAnswer(service=service.facts, error=error, modelled=modelled, request_id="id")
    )
    assert answer.status == status
    check_error_answer(case, answer, wanted, shape, body, headers)


def check_error_answer(
    case: Case, answer: HttpResponse, wanted: Any, shape: Any, body: bytes, headers: Any
) -> None:
    assert isinstance(answer.body, bytes)
    found = client_parse(case, answer.status, answer.headers, answer.body, None)["Error"]
    assert found["Code"] == case.case["errorCode"]
    assert (found.get("Message") or "") == (wanted.get("Message") or "")
    if shape is not None:
        ours = plain(client_parse(case, answer.status, answer.headers, answer.body, shape))
        theirs = plain(client_parse(case, answer.status, headers, body, shape))
        assert ours == theirs
