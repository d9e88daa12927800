"""One of each thing, acknowledged, then SIGKILL: after the restart it is there and works. (Under load: test_crash.py.)"""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from tests.flows.crash_load import client, until
from tests.running import RunningSerein

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/runner"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:work"
SOURCE = """
import json, os

def handler(event, context):
    print("seen", json.dumps(event))
    return {"statusCode": 200, "body": os.environ["WORD"]}
"""


def statement(**members: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **members}]})


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("app.py", SOURCE)
    return buffer.getvalue()


def build(endpoint: str) -> dict[str, Any]:
    """A user with a key, a role, a function with code, alias and queue, an API in front of it, an upload begun."""
    iam, functions = client("iam", endpoint), client("lambda", endpoint)
    trust = statement(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole")
    iam.create_role(RoleName="runner", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(
        RoleName="runner",
        PolicyName="all",
        PolicyDocument=statement(Action=["sqs:*", "logs:*"], Resource="*"),
    )
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    url = client("sqs", endpoint).create_queue(
        QueueName="work", Attributes={"VisibilityTimeout": "5"}
    )["QueueUrl"]
    arn = functions.create_function(
        FunctionName="hello",
        Runtime="python3.11",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": archive()},
        Environment={"Variables": {"WORD": "kept"}},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="hello")
    version = functions.publish_version(FunctionName="hello")["Version"]
    functions.create_alias(FunctionName="hello", Name="live", FunctionVersion=version)
    functions.create_event_source_mapping(FunctionName="hello", EventSourceArn=QUEUE, BatchSize=1)
    functions.add_permission(
        FunctionName="hello",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    api = client("apigatewayv2", endpoint).create_api(
        Name="api", ProtocolType="HTTP", Target=arn, Tags={"a": "1"}
    )
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket="uploads")
    upload = s3.create_multipart_upload(Bucket="uploads", Key="big")["UploadId"]
    part = s3.upload_part(
        Bucket="uploads", Key="big", UploadId=upload, PartNumber=1, Body=b"part" * 100_000
    )
    return {"key": key, "url": url, "api": api["ApiId"], "upload": upload, "etag": part["ETag"]}


def check(endpoint: str, made: dict[str, Any]) -> None:
    assert client("iam", endpoint).get_user(UserName="ann")["User"]["UserName"] == "ann"
    [key] = client("iam", endpoint).list_access_keys(UserName="ann")["AccessKeyMetadata"]
    assert key["AccessKeyId"] == made["key"]["AccessKeyId"]
    functions = client("lambda", endpoint)
    answer = functions.invoke(FunctionName="hello", Qualifier="live", Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {"statusCode": 200, "body": "kept"}
    with urllib.request.urlopen(
        f"{endpoint}/_aws/execute-api/{made['api']}/$default/", timeout=30
    ) as through:
        assert through.read() == b"kept"
    api = client("apigatewayv2", endpoint).get_api(ApiId=made["api"])
    assert api["Tags"] == {"a": "1"}


def test_one_of_each(tmp_path: Path) -> None:
    serein = RunningSerein(tmp_path / "data")
    serein.start()
    try:
        made = build(serein.endpoint)
        serein.kill()
        serein.start()
        check(serein.endpoint, made)
        s3 = client("s3", serein.endpoint)
        s3.complete_multipart_upload(
            Bucket="uploads",
            Key="big",
            UploadId=made["upload"],
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": made["etag"]}]},
        )
        client("sqs", serein.endpoint).send_message(QueueUrl=made["url"], MessageBody="after all")
        serein.kill()
        serein.start()
        body = client("s3", serein.endpoint).get_object(Bucket="uploads", Key="big")["Body"].read()
        assert body == b"part" * 100_000
        logs = client("logs", serein.endpoint)

        def seen() -> bool:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName="/aws/lambda/hello", filterPattern='"after all"'
            )
            return any(page["events"] for page in pages)

        until(seen, "the mapping gave the message to the function")
        check(serein.endpoint, made)
    finally:
        serein.kill()
