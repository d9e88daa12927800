"""Answers and errors as bytes: forms recorded from or documented by AWS."""

from __future__ import annotations

import orjson
import pytest

from serein.base.errors import AwsError
from serein.wire.facts import Target
from serein.wire.http import HttpRequest, HttpResponse
from serein.wire.models import Wire


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire()


def target(service: str, operation: str, protocol: str) -> Target:
    return Target(service=service, operation=operation, protocol=protocol)


def headers_of(response: HttpResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers}


def test_sqs_error_in_json_carries_the_query_code(wire: Wire) -> None:
    error = AwsError("The specified queue does not exist.", code="QueueDoesNotExist")
    response = wire.serialise_error(error, "id", target=target("sqs", "SendMessage", "json"))
    assert response.status == 400
    assert headers_of(response)["x-amzn-query-error"] == (
        "AWS.SimpleQueueService.NonExistentQueue;Sender"
    )
    assert orjson.loads(response.body) == {
        "__type": "com.amazonaws.sqs#QueueDoesNotExist",
        "message": "The specified queue does not exist.",
    }


def test_sqs_error_in_query(wire: Wire) -> None:
    error = AwsError("No <such> queue", code="QueueDoesNotExist")
    response = wire.serialise_error(error, "id", target=target("sqs", "SendMessage", "query"))
    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type>'
        b"<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>No &lt;such&gt; queue</Message>"
        b"<Detail/></Error><RequestId>id</RequestId></ErrorResponse>"
    )


def test_sqs_speaks_its_old_names_in_query(wire: Wire) -> None:
    operation = wire.service("sqs").operation("ReceiveMessage")
    result = {"Messages": [{"MessageId": "m", "Attributes": {"SenderId": "x"}, "Body": "b"}]}
    body = operation.serialise(result, "id", "query").body
    assert isinstance(body, bytes)
    assert (
        b"<ReceiveMessageResult><Message><MessageId>m</MessageId><Body>b</Body>"
        b"<Attribute><Name>SenderId</Name><Value>x</Value></Attribute></Message></ReceiveMessageResult>"
    ) in body


def test_sqs_reads_its_old_names_in_query(wire: Wire) -> None:
    body = b"Action=CreateQueue&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Tag.1.Key=a&Tag.1.Value=b"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    request = HttpRequest("POST", "/", "Version=2012-11-05", headers, [], body)
    found = Wire(["sqs"]).identify(request)
    assert wire.operation(found).parse(request, body, found) == {
        "QueueName": "q",
        "Attributes": {"DelaySeconds": "5"},
        "tags": {"a": "b"},
    }


def test_lambda_error(wire: Wire) -> None:
    error = AwsError("Function not found: arn", code="ResourceNotFoundException", status=404)
    response = wire.serialise_error(
        error, "id", target=target("lambda", "GetFunction", "rest-json")
    )
    assert response.status == 404
    assert headers_of(response)["x-amzn-errortype"] == "ResourceNotFoundException"
    assert orjson.loads(response.body) == {"Type": "User", "Message": "Function not found: arn"}


def test_s3_error(wire: Wire) -> None:
    error = AwsError(
        "The specified key does not exist.", code="NoSuchKey", status=404, fields={"Key": "k"}
    )
    request = HttpRequest("GET", "/b/k", "", {}, [])
    asked = target("s3", "GetObject", "rest-xml")
    response = wire.serialise_error(error, "ID", target=asked, request=request)
    assert isinstance(response.body, bytes)
    assert (
        b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>k</Key>"
        in response.body
    )
    assert b"<RequestId>ID</RequestId><HostId>" in response.body
    assert headers_of(response)["x-amz-request-id"] == "ID"
    request.method = "HEAD"
    assert wire.serialise_error(error, "ID", target=asked, request=request).body == b""


def test_s3_bucket_location_is_its_root_element(wire: Wire) -> None:
    operation = wire.service("s3").operation("GetBucketLocation")
    start = b'<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    assert operation.serialise({}, "i").body == start + b"</LocationConstraint>"
    body = operation.serialise({"LocationConstraint": "eu-west-1"}, "i").body
    assert body == start + b"eu-west-1</LocationConstraint>"


def test_s3_roots_and_dates(wire: Wire) -> None:
    result = {"Buckets": [{"Name": "b", "CreationDate": 1.5}], "Owner": {"ID": "o"}}
    body = wire.service("s3").operation("ListBuckets").serialise(result, "i").body
    assert body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Buckets><Bucket><Name>b</Name><CreationDate>1970-01-01T00:00:01.500Z</CreationDate></Bucket></Buckets>"
        b"<Owner><ID>o</ID></Owner></ListAllMyBucketsResult>"
    )


def test_iam_error_has_the_models_code(wire: Wire) -> None:
    error = AwsError("x", code="NoSuchEntityException", status=404)
    response = wire.serialise_error(error, "id", target=target("iam", "GetRole", "query"))
    assert b"<Code>NoSuchEntity</Code>" in response.body


def test_fragments_are_spliced_and_none_is_left_out(wire: Wire) -> None:
    operation = wire.service("dynamodb").operation("Query")
    item = orjson.Fragment(b'{"a":{"S":"x"}}')
    response = operation.serialise(
        {"Items": [item, item], "Count": 2, "LastEvaluatedKey": None}, "i"
    )
    assert response.body == b'{"Items":[{"a":{"S":"x"}},{"a":{"S":"x"}}],"Count":2}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", ""),
        (b'{"TableName":7}', "NUMBER_VALUE cannot be converted to String"),
        (b'{"TableName":true}', "TRUE_VALUE cannot be converted to String"),
        (b'{"TableName":{}}', "Start of structure or map found where not expected."),
        (b'{"AttributesToGet":"x"}', "Unrecognized collection type class java.lang.String"),
        (b"[]", "Start of list found where not expected"),
        (b'{"a":' * 3000, ""),
    ],
)
def test_unreadable_json(wire: Wire, body: bytes, message: str) -> None:
    request = HttpRequest("POST", "/", "", {"x-amz-target": "DynamoDB_20120810.GetItem"}, [], body)
    found = wire.identify(request)
    with pytest.raises(AwsError) as caught:
        wire.operation(found).parse(request, body, found)
    assert (caught.value.code, caught.value.message) == ("SerializationException", message)


@pytest.mark.parametrize(
    "body",
    [
        b"<a",
        b"no xml",
        b'<!DOCTYPE a [<!ENTITY x "y">]><Delete>&x;</Delete>',
        b"<Delete>" * 1000,
        b"<Delete><Quiet>maybe</Quiet></Delete>",
    ],
)
def test_unreadable_xml(wire: Wire, body: bytes) -> None:
    request = HttpRequest("POST", "/b", "delete", {}, [], body)
    found = Wire(["s3"]).identify(request)
    with pytest.raises(AwsError) as caught:
        wire.operation(found).parse(request, body, found)
    assert caught.value.code == "MalformedXML"


def test_headers_cannot_be_split(wire: Wire) -> None:
    response = (
        wire.service("s3")
        .operation("GetObject")
        .serialise(
            {"Body": b"x", "ContentType": "a\r\nSet-Cookie: x", "Metadata": {"k": "v\n"}}, "i"
        )
    )
    assert all("\n" not in value and "\r" not in value for _, value in response.headers)


def test_an_early_refusal_is_in_the_callers_protocol() -> None:
    wire = Wire(["sqs", "sts"])
    error = AwsError("x", code="IncompleteSignature")
    request = HttpRequest("POST", "/", "", {"x-amz-target": "AmazonSQS.Nope"}, [])
    assert orjson.loads(wire.serialise_error(error, "id", request=request).body)["__type"]
    request = HttpRequest("GET", "/", "Action=GetCallerIdentity&Version=2011-06-15", {}, [])
    body = wire.serialise_error(error, "id", request=request).body
    assert isinstance(body, bytes)
    assert b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' in body
