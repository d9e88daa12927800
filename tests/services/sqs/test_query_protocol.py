"""The protocol of old clients: forms and XML, on the endpoint and on the queue's own URL."""

from __future__ import annotations

from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cloud import ENDPOINT, Cloud

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def post(cloud: Cloud, path: str, **fields: str) -> tuple[int, str]:
    body = urlencode({"Version": "2012-11-05", **fields}).encode()
    request = AWSRequest("POST", ENDPOINT + path, FORM, body)
    SigV4Auth(Credentials("test", "test"), "sqs", "us-east-1").add_auth(request)
    answer = cloud.http("POST", ENDPOINT + path, dict(request.headers), body)
    assert isinstance(answer.body, bytes)
    return answer.status, answer.body.decode()


def test_a_message_goes_round(cloud: Cloud) -> None:
    fields = {"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "0"}
    status, text = post(cloud, "/", Action="CreateQueue", QueueName="old", **fields)
    assert status == 200
    assert "<QueueUrl>http://127.0.0.1:4566/000000000000/old</QueueUrl>" in text
    assert 'xmlns="http://queue.amazonaws.com/doc/2012-11-05/"' in text
    status, text = post(cloud, "/000000000000/old", Action="SendMessage", MessageBody="a<b")
    assert status == 200
    assert "<MD5OfMessageBody>" in text
    status, text = post(
        cloud, "/000000000000/old", Action="ReceiveMessage", **{"AttributeName.1": "All"}
    )
    assert "<Body>a&lt;b</Body>" in text
    assert "<Attribute><Name>SenderId</Name><Value>000000000000</Value></Attribute>" in text


def test_errors_have_their_old_codes(cloud: Cloud) -> None:
    status, text = post(cloud, "/000000000000/none", Action="SendMessage", MessageBody="x")
    assert status == 400
    assert "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in text
    assert "<Detail/>" in text
    post(cloud, "/", Action="CreateQueue", QueueName="old")
    status, text = post(
        cloud, "/000000000000/old", Action="ReceiveMessage", MaxNumberOfMessages="11"
    )
    assert "<Code>InvalidParameterValue</Code>" in text
    status, text = post(cloud, "/000000000000/old", Action="SendMessage")
    assert status == 400
    assert "<Code>MissingParameter</Code>" in text
    assert "The request must contain the parameter MessageBody." in text
