"""A function may do what its role allows and nothing else, against a real `serein up` (in open mode: the hardest case).

The words are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.flows.crash_load import client
from tests.running import RunningSerein

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
WHO = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/tries"
TABLES = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table"
KEY = {"pk": {"S": "a"}}
SOURCE = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

def handler(event, context):
    answers = []
    for service, operation, params, keys in event["tries"]:
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        one = boto3.client(service, config=config, **keys)
        try:
            getattr(one, operation)(**params)
            answers.append(["done", ""])
        except ClientError as error:
            answers.append([error.response["Error"]["Code"], error.response["Error"]["Message"]])
    return answers
"""
MADE_UP = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_session_token": None}
NUMBER = {
    "aws_access_key_id": ACCOUNT,
    "aws_secret_access_key": "test",
    "aws_session_token": None,
}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]}
    )


def trust(principal: dict[str, str]) -> str:
    return policy({"Principal": principal, "Action": "sts:AssumeRole"})


class Place:
    """The server, and clients as root of the default account (the person at the keyboard)."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.iam = client("iam", endpoint)
        self.lambda_ = client("lambda", endpoint)
        self.s3 = client("s3", endpoint)
        self.sqs = client("sqs", endpoint)

    def build(self) -> None:
        """Two tables, two buckets, a queue, a role that may read one table and one bucket, the function with it."""
        dynamodb = client("dynamodb", self.endpoint)
        for name in ("mine", "other"):
            dynamodb.create_table(
                TableName=name,
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
            self.s3.create_bucket(Bucket=f"{name}-bucket")
            self.s3.put_object(Bucket=f"{name}-bucket", Key="k", Body=b"secret")
        self.queue_url = self.sqs.create_queue(QueueName="queue")["QueueUrl"]
        self.iam.create_role(
            RoleName="reader",
            AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}),
        )
        self.iam.put_role_policy(
            RoleName="reader",
            PolicyName="one-thing",
            PolicyDocument=policy(
                {"Action": "dynamodb:GetItem", "Resource": f"{TABLES}/mine"},
                {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::mine-bucket/*"},
            ),
        )
        # It trusts the whole account; the caller's own policies must then allow it too.
        self.iam.create_role(
            RoleName="admin",
            AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        )
        self.make_function("tries", SOURCE)

    def make_function(self, name: str, source: str) -> str:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("app.py", source)
        made = self.lambda_.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=ROLE,
            Timeout=60,
            Code={"ZipFile": buffer.getvalue()},
        )
        self.lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
        return str(made["FunctionArn"])

    def try_(
        self, service: str, operation: str, keys: dict[str, Any] | None = None, **params: Any
    ) -> tuple[str, str]:
        """Code and message of what the function gets, ("done", "") where it is let."""
        tries = [[service, operation, params, keys or {}]]
        answer = self.lambda_.invoke(
            FunctionName="tries", Payload=json.dumps({"tries": tries}).encode()
        )
        told = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, told
        [(code, message)] = told
        return code, message


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with RunningSerein(None) as running:
        made = Place(running.endpoint)
        made.build()
        yield made


@pytest.fixture
def isolated(place: Place) -> None:
    """Skips where functions are plain processes: they reach Serein as the host does, so open mode holds for them."""
    place.try_("sts", "get_caller_identity")
    with urllib.request.urlopen(f"{place.endpoint}/_serein/health") as answer:
        isolation = json.loads(answer.read())["isolation"]
    if isolation["level"] != "sandboxed":
        pytest.skip(f"functions are not sandboxed here: {isolation['reasons']}")


def refusal(action: str, resource: str) -> str:
    return (
        f"User: {WHO} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


def test_what_the_role_allows(place: Place) -> None:
    assert place.try_("dynamodb", "get_item", TableName="mine", Key=KEY) == ("done", "")
    assert place.try_("s3", "get_object", Bucket="mine-bucket", Key="k") == ("done", "")
    assert place.try_("sts", "get_caller_identity") == ("done", "")


@pytest.mark.parametrize(
    ("operation", "params", "action", "table"),
    [
        ("put_item", {"TableName": "mine", "Item": KEY}, "PutItem", "mine"),
        ("delete_item", {"TableName": "mine", "Key": KEY}, "DeleteItem", "mine"),
        ("delete_table", {"TableName": "mine"}, "DeleteTable", "mine"),
        ("scan", {"TableName": "mine"}, "Scan", "mine"),
        ("get_item", {"TableName": "other", "Key": KEY}, "GetItem", "other"),
        ("get_item", {"TableName": "absent", "Key": KEY}, "GetItem", "absent"),
        (
            "transact_write_items",
            {"TransactItems": [{"Put": {"TableName": "mine", "Item": KEY}}]},
            "PutItem",
            "mine",
        ),
    ],
)
def test_tables(
    place: Place, operation: str, params: dict[str, Any], action: str, table: str
) -> None:
    code, message = place.try_("dynamodb", operation, **params)
    assert code == "AccessDeniedException"
    assert message == refusal(f"dynamodb:{action}", f"{TABLES}/{table}")


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_object", {"Bucket": "other-bucket", "Key": "k"}),
        ("put_object", {"Bucket": "mine-bucket", "Key": "k"}),
        ("delete_object", {"Bucket": "mine-bucket", "Key": "k"}),
        ("list_objects_v2", {"Bucket": "mine-bucket"}),
        ("put_bucket_policy", {"Bucket": "mine-bucket", "Policy": "{}"}),
        ("delete_bucket", {"Bucket": "other-bucket"}),
        (
            "copy_object",
            {
                "Bucket": "mine-bucket",
                "Key": "c",
                "CopySource": {"Bucket": "other-bucket", "Key": "k"},
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_buckets(place: Place, operation: str, params: dict[str, Any]) -> None:
    assert place.try_("s3", operation, **params)[0] == "AccessDenied"


def test_a_queue(place: Place) -> None:
    code, message = place.try_("sqs", "send_message", QueueUrl=place.queue_url, MessageBody="m")
    assert code.startswith("AccessDenied")
    assert "is not authorized to perform: sqs:sendmessage on resource" in message.lower()


@pytest.mark.parametrize(
    ("operation", "params", "action", "resource"),
    [
        ("create_user", {"UserName": "eve"}, "CreateUser", f"arn:aws:iam::{ACCOUNT}:user/eve"),
        ("create_access_key", {"UserName": "eve"}, "CreateAccessKey", "user eve"),
        (
            "put_role_policy",
            {
                "RoleName": "reader",
                "PolicyName": "more",
                "PolicyDocument": policy({"Action": "*", "Resource": "*"}),
            },
            "PutRolePolicy",
            "role reader",
        ),
        (
            "attach_role_policy",
            {
                "RoleName": "reader",
                "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
            },
            "AttachRolePolicy",
            "role reader",
        ),
        (
            "update_assume_role_policy",
            {"RoleName": "admin", "PolicyDocument": trust({"AWS": ROLE})},
            "UpdateAssumeRolePolicy",
            "role admin",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_it_cannot_give_itself_more(
    place: Place, operation: str, params: dict[str, Any], action: str, resource: str
) -> None:
    code, message = place.try_("iam", operation, **params)
    assert code == "AccessDenied"
    # IAM names an entity that is there by kind and name.
    assert message.startswith(
        f"User: {WHO} is not authorized to perform: iam:{action} on resource: {resource}"
    )


def test_another_role(place: Place) -> None:
    admin = f"arn:aws:iam::{ACCOUNT}:role/admin"
    code, message = place.try_("sts", "assume_role", RoleArn=admin, RoleSessionName="eve")
    assert code == "AccessDenied"
    assert (
        message == f"User: {WHO} is not authorized to perform: sts:AssumeRole on resource: {admin}"
    )


def test_another_function_with_another_role(place: Place) -> None:
    """Passing a role is asked for by itself: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html"""
    code, _ = place.try_(
        "lambda",
        "update_function_configuration",
        FunctionName="tries",
        Role=f"arn:aws:iam::{ACCOUNT}:role/admin",
    )
    assert code == "AccessDeniedException"


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("dynamodb", "list_tables", {}, "UnrecognizedClientException"),
        ("sts", "get_caller_identity", {}, "InvalidClientTokenId"),
        ("iam", "list_users", {}, "InvalidClientTokenId"),
        ("s3", "list_buckets", {}, "InvalidAccessKeyId"),
    ],
)
@pytest.mark.parametrize("keys", [MADE_UP, NUMBER], ids=["test", "account number"])
def test_made_up_keys_are_refused_inside(
    isolated: None,
    place: Place,
    service: str,
    operation: str,
    params: dict[str, Any],
    code: str,
    keys: Any,
) -> None:
    """Open mode is for people: out of a function's environment only keys that IAM knows count."""
    assert place.try_(service, operation, keys, **params)[0] == code


def test_a_bucket_that_the_queue_does_not_let_in(place: Place) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html"""
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"

    def let_in(bucket: str) -> None:
        statement = {
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
        }
        place.sqs.set_queue_attributes(
            QueueUrl=place.queue_url, Attributes={"Policy": policy(statement)}
        )

    def notify() -> None:
        entry = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
        place.s3.put_bucket_notification_configuration(
            Bucket="mine-bucket", NotificationConfiguration={"QueueConfigurations": [entry]}
        )

    let_in("other-bucket")
    with pytest.raises(ClientError) as caught:
        notify()
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        "InvalidArgument",
        "Unable to validate the following destination configurations",
    )
    let_in("mine-bucket")
    notify()
    place.s3.put_object(Bucket="mine-bucket", Key="new", Body=b"x")
    received: list[Any] = []
    for _ in range(4):
        answer = place.sqs.receive_message(
            QueueUrl=place.queue_url, WaitTimeSeconds=5, MaxNumberOfMessages=10
        )
        received += [json.loads(message["Body"]) for message in answer.get("Messages", ())]
        if any("Records" in body for body in received):
            break
    assert [r["s3"]["object"]["key"] for b in received for r in b.get("Records", ())] == ["new"]


def test_an_api_without_permission(place: Place) -> None:
    """A function that does not let the API in is an internal error to its callers:
    https://repost.aws/knowledge-center/api-gateway-http-lambda-integrations"""
    apis = client("apigatewayv2", place.endpoint)
    source = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'in'}\n"
    function = place.make_function("hello", source)
    api = apis.create_api(Name="api", ProtocolType="HTTP", Target=function)["ApiId"]
    url = f"{place.endpoint}/_aws/execute-api/{api}/$default/"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=30)
    assert caught.value.code == 500
    assert json.loads(caught.value.read()) == {"message": "Internal Server Error"}
    place.lambda_.add_permission(
        FunctionName="hello",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/*/*",
    )
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert (answer.status, answer.read()) == (200, b"in")
