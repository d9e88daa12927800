"""Function URLs. https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make

SOURCE = """
def handler(event, context):
    if event["rawPath"] == "/full":
        return {
            "statusCode": 201,
            "headers": {"X-Own": "1"},
            "body": event["requestContext"]["http"]["method"] + event.get("body", ""),
            "cookies": ["a=b"],
        }
    return {"path": event["rawPath"], "query": event.get("queryStringParameters")}
"""


@pytest.fixture
def url(make_function: Make, awslambda: Any) -> str:
    """The URL of a function that anybody may call."""
    make_function(SOURCE)
    made = awslambda.create_function_url_config(FunctionName="echo", AuthType="NONE")
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    awslambda.add_permission(
        FunctionName="echo",
        StatementId="public",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    return str(made["FunctionUrl"])


def test_a_request_is_answered(cloud: Any, url: str):
    answer = cloud.http("GET", f"{url}some/path?a=1&a=2&b=")
    assert answer.status == 200
    assert json.loads(answer.body) == {"path": "/some/path", "query": {"a": "1,2", "b": ""}}


def test_a_full_response(cloud: Any, url: str):
    answer = cloud.http("POST", f"{url}full", {"Content-Type": "text/plain"}, b"hi")
    headers = {name.lower(): value for name, value in answer.headers}
    assert (answer.status, answer.body) == (201, b"POSThi")
    assert headers["x-own"] == "1"
    assert headers["set-cookie"] == "a=b"


def test_without_permission_nobody_gets_in(make_function: Make, awslambda: Any, cloud: Any):
    make_function(SOURCE)
    made = awslambda.create_function_url_config(FunctionName="echo", AuthType="NONE")
    assert cloud.http("GET", made["FunctionUrl"]).status == 403


def test_lifecycle(awslambda: Any, url: str):
    found = awslambda.get_function_url_config(FunctionName="echo")
    assert (found["FunctionUrl"], found["InvokeMode"]) == (url, "BUFFERED")
    with pytest.raises(ClientError) as caught:
        awslambda.create_function_url_config(FunctionName="echo", AuthType="NONE")
    assert caught.value.response["Error"]["Message"] == (
        "Failed to create function url config for [functionArn = arn:aws:lambda:us-east-1:"
        "000000000000:function:echo]. Error message:  FunctionUrlConfig exists for this Lambda "
        "function"
    )
    cors = {"AllowOrigins": ["https://example.com"]}
    changed = awslambda.update_function_url_config(FunctionName="echo", Cors=cors)
    assert changed["Cors"] == cors
    listed = awslambda.list_function_url_configs(FunctionName="echo")["FunctionUrlConfigs"]
    assert len(listed) == 1
    awslambda.delete_function_url_config(FunctionName="echo")
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        awslambda.get_function_url_config(FunctionName="echo")


def test_cors(awslambda: Any, cloud: Any, url: str):
    awslambda.update_function_url_config(
        FunctionName="echo",
        Cors={"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 5},
    )
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    answer = cloud.http("OPTIONS", url, asked)
    headers = {name.lower(): value for name, value in answer.headers}
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert headers["access-control-allow-methods"] == "GET"
    assert headers["access-control-max-age"] == "5"
