"""Serein's own pages, through the whole house."""

from __future__ import annotations

import orjson

from tests.cloud import ENDPOINT, Cloud


def test_health_names_the_services(cloud: Cloud) -> None:
    for path in ("/_serein/health", "/_localstack/health"):
        answer = cloud.http("GET", ENDPOINT + path)
        assert answer.status == 200
        assert orjson.loads(answer.body)["services"]["sqs"] == "available"


def test_ready_and_metrics(cloud: Cloud) -> None:
    assert cloud.http("GET", ENDPOINT + "/_serein/ready").status == 200
    cloud.client("sts").get_caller_identity()
    text = cloud.http("GET", ENDPOINT + "/_serein/metrics").body
    line = b'serein_call_seconds_count{service="sts",operation="GetCallerIdentity"} 1'
    assert isinstance(text, bytes)
    assert line in text


def test_reset_forgets_everything_and_serves_on(cloud: Cloud) -> None:
    dynamodb = cloud.client("dynamodb")
    table = {
        "TableName": "todos",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    }
    dynamodb.create_table(**table)
    assert cloud.http("POST", ENDPOINT + "/_localstack/state/reset").status == 200
    assert dynamodb.list_tables()["TableNames"] == []
    dynamodb.create_table(**table)
    assert dynamodb.list_tables()["TableNames"] == ["todos"]


def test_unknown_page_of_the_house_is_no_bucket_trouble(cloud: Cloud) -> None:
    assert cloud.http("GET", ENDPOINT + "/_serein/nothing").status == 404
