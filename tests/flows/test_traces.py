"""One request through the house, as a trace: an API, its function, and what that asks of DynamoDB; and the page that shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serein.kernel.spans import Span
from serein.services.lambda_.tracing import FUNCTION, SERVICE
from tests.cloud import Cloud
from tests.services.lambda_.conftest import TRUST, zipped

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
HEADER = f"Root={ROOT};Parent={PARENT};Sampled=1"
PAGE = "http://127.0.0.1:4566/_serein/traces"
CODE = """
import boto3

def handler(event, context):
    boto3.client("dynamodb").put_item(TableName="orders", Item={"pk": {"S": "1"}})
    return {"statusCode": 201, "body": "made"}
"""


@pytest.fixture
def endpoint(cloud: Cloud) -> str:
    """An HTTP API in front of a function that writes to a table."""
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="runner", PolicyName="all", PolicyDocument=document)
    cloud.client("dynamodb").create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    awslambda = cloud.client("lambda")
    arn = awslambda.create_function(
        FunctionName="order",
        Runtime="python3.11",
        Handler="app.handler",
        Role=role["Arn"],
        Timeout=20,
        Code={"ZipFile": zipped({"app.py": CODE})},
    )["FunctionArn"]
    awslambda.add_permission(
        FunctionName="order",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    api = cloud.client("apigatewayv2").create_api(Name="shop", ProtocolType="HTTP", Target=arn)
    return f"http://{api['ApiId']}.execute-api.localhost:4566/orders"


def only(spans: list[Span], name: str, origin: str) -> Span:
    [found] = [span for span in spans if (span.name, span.origin) == (name, origin)]
    return found


def test_from_the_api_to_the_table(cloud: Cloud, endpoint: str) -> None:
    response = cloud.http("POST", endpoint, {"X-Amzn-Trace-Id": HEADER})
    assert response.status == 201
    spans = list(cloud.house.dispatch.spans.latest())
    assert {span.trace_id for span in spans} == {ROOT}
    [site] = [span for span in spans if span.origin.startswith("site:")]
    assert site.annotations == {"method": "POST", "path": "/orders", "status": 201}
    call = only(spans, "lambda.Invoke", "aws")
    service, function = only(spans, "order", SERVICE), only(spans, "order", FUNCTION)
    invocation = only(spans, "Invocation", "")
    put = only(spans, "dynamodb.PutItem", "aws")
    chain = [site, call, service, function, invocation, put]
    assert [span.parent_id for span in chain] == [PARENT, *(span.id for span in chain[:-1])]
    assert not any(span.fault or span.error for span in spans)


def test_the_page_shows_it(cloud: Cloud, endpoint: str) -> None:
    cloud.http("POST", endpoint, {"X-Amzn-Trace-Id": HEADER})
    for query in ("", f"?trace={ROOT}", "?function=order&count=1"):
        [shown] = told(cloud, query)["traces"]
        assert shown["id"] == ROOT
        assert shown["spans"][0]["parent_id"] == PARENT
        assert shown["duration"] > 0
    for query in ("?trace=1-5759e988-000000000000000000000000", "?function=other"):
        assert told(cloud, query)["traces"] == []
    assert told(cloud)["kept"] == len(list(cloud.house.dispatch.spans.latest()))
    metrics = cloud.http("GET", "http://127.0.0.1:4566/_serein/metrics").body
    assert f"serein_spans_total {told(cloud)['kept']}".encode() in bytes(metrics)  # type: ignore[arg-type]
    assert cloud.http("DELETE", PAGE).status == 200
    assert told(cloud) == {"traces": [], "kept": 0, "dropped": 0}


@pytest.mark.parametrize("query", ["?count=many", "?nonsense=1"])
def test_what_the_page_does_not_understand(cloud: Cloud, query: str) -> None:
    response = cloud.http("GET", PAGE + query)
    assert response.status == 400


def test_the_page_is_for_caretakers() -> None:
    cloud = Cloud(auth_open=False)
    try:
        assert cloud.http("GET", PAGE).status == 403
    finally:
        cloud.close()


def test_it_is_not_for_pages_of_other_sites(cloud: Cloud) -> None:
    assert cloud.http("GET", PAGE, {"Origin": "https://example.org"}).status == 403


def told(cloud: Cloud, query: str = "") -> Any:
    response = cloud.http("GET", PAGE + query)
    assert response.status == 200
    return json.loads(response.body)  # type: ignore[arg-type]
