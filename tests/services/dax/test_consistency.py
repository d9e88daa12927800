"""What clients see of the caches: hits, expiry by the house's clock, writes through, and reads that pass through.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.consistency.html
"""

from __future__ import annotations

import json
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError

from tests.services.dax.conftest import make_role

KEY = {"k": {"S": "a"}}


@pytest.fixture(scope="module")
def endpoint(running):
    return running.make_cluster("caching", make_role(running.client("iam"), "dax-caching"))


@pytest.fixture
def dax(running, endpoint):
    with running.dax(endpoint) as client:
        yield client


@pytest.fixture
def dynamodb(running):
    return running.client("dynamodb")


@pytest.fixture
def table(dynamodb, request):
    name = f"cached-{abs(hash(request.node.name)) % 10**10}"
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def advance(running, seconds: float) -> None:
    """Move the house's clock on."""
    body = json.dumps({"advance_s": seconds}).encode()
    url = f"{running.serein.endpoint}/_serein/clock"
    headers = {"content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        assert answer.status == 200


def version(client, table, **more):
    item = client.get_item(TableName=table, Key=KEY, **more).get("Item")
    return None if item is None else item["v"]["S"]


def put(client, table, value, **more):
    return client.put_item(TableName=table, Item={**KEY, "v": {"S": value}}, **more)


def test_a_change_behind_its_back_shows_once_the_time_is_over(running, dax, dynamodb, table):
    put(dynamodb, table, "one")
    assert version(dax, table) == "one"
    put(dynamodb, table, "two")
    assert version(dax, table) == "one"
    assert version(dax, table, ConsistentRead=True) == "two"
    assert version(dax, table) == "one"
    advance(running, 299)
    assert version(dax, table) == "one"
    advance(running, 2)
    assert version(dax, table) == "two"


def test_that_nothing_is_there_is_kept_until_something_is_written(dax, dynamodb, table):
    assert version(dax, table) is None
    put(dynamodb, table, "one")
    assert version(dax, table) is None
    put(dax, table, "two")
    assert version(dax, table) == "two"


def test_writes_go_through(dax, dynamodb, table):
    put(dax, table, "one")
    assert version(dynamodb, table) == version(dax, table) == "one"
    dax.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"S": "two"}},
    )
    put(dynamodb, table, "behind")
    assert version(dax, table) == "two"
    dax.delete_item(TableName=table, Key=KEY)
    assert version(dax, table) is None
    dax.batch_write_item(
        RequestItems={table: [{"PutRequest": {"Item": {**KEY, "v": {"S": "three"}}}}]}
    )
    put(dynamodb, table, "behind")
    assert version(dax, table) == "three"


def test_a_refused_write_leaves_what_was_kept(dax, dynamodb, table):
    put(dax, table, "one")
    put(dynamodb, table, "two")
    with pytest.raises(ClientError):
        put(dax, table, "three", ConditionExpression="attribute_not_exists(k)")
    assert version(dax, table) == "one"


@pytest.mark.parametrize("returned", ["ALL_OLD", "UPDATED_OLD", "UPDATED_NEW"])
def test_an_update_whose_new_item_is_not_told_leaves_nothing(dax, dynamodb, table, returned):
    put(dax, table, "one")
    dax.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"S": "two"}},
        ReturnValues=returned,
    )
    put(dynamodb, table, "three")
    assert version(dax, table) == "three"


def test_projections_come_from_the_same_item(dax, dynamodb, table):
    put(dax, table, "one")
    put(dynamodb, table, "two")
    assert version(dax, table, ProjectionExpression="v") == "one"


def test_batches_take_what_is_kept_and_keep_the_rest(dax, dynamodb, table):
    put(dax, table, "one")
    other = {"k": {"S": "b"}}
    dynamodb.put_item(TableName=table, Item=other)
    put(dynamodb, table, "two")
    asked = {table: {"Keys": [KEY, other, {"k": {"S": "none"}}]}}

    def found():
        items = dax.batch_get_item(RequestItems=asked)["Responses"][table]
        return sorted((item["k"]["S"], item.get("v", {}).get("S")) for item in items)

    assert found() == [("a", "one"), ("b", None)]
    dynamodb.delete_item(TableName=table, Key=other)
    dynamodb.put_item(TableName=table, Item={"k": {"S": "none"}})
    assert found() == [("a", "one"), ("b", None)]


def test_answers_of_queries_are_kept_by_what_was_asked(running, dax, dynamodb, table):
    put(dax, table, "one")

    def versions(**more):
        found = dax.query(
            TableName=table,
            KeyConditionExpression="k = :k",
            ExpressionAttributeValues={":k": KEY["k"]},
            **more,
        )
        return [item["v"]["S"] for item in found["Items"]]

    assert versions() == ["one"]
    put(dax, table, "two")
    # Writes do not reach the query cache: it has its own time to live.
    assert versions() == ["one"]
    assert version(dax, table) == "two"
    assert versions(ConsistentRead=True) == ["two"]
    assert versions(Limit=1) == ["two"]
    assert versions(ReturnConsumedCapacity="TOTAL") == ["one"]
    advance(running, 301)
    assert versions() == ["two"]


def test_scans_that_found_nothing_are_kept(dax, dynamodb, table):
    assert dax.scan(TableName=table)["Count"] == 0
    put(dynamodb, table, "one")
    assert dax.scan(TableName=table)["Count"] == 0
    assert dax.scan(TableName=table, ConsistentRead=True)["Count"] == 1


def test_transactions_pass_through_and_fill_the_cache(dax, dynamodb, table):
    put(dax, table, "one")
    put(dynamodb, table, "two")
    get = [{"Get": {"TableName": table, "Key": KEY}}]
    assert dax.transact_get_items(TransactItems=get)["Responses"][0]["Item"]["v"]["S"] == "two"
    assert version(dax, table) == "one"
    item = {**KEY, "v": {"S": "three"}}
    dax.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])
    assert version(dax, table) == "three"
    put(dynamodb, table, "four")
    assert version(dax, table) == "three"


def test_the_times_come_from_the_parameter_group(running, dax, dynamodb, table):
    control = running.client("dax")
    control.create_parameter_group(ParameterGroupName="quick")
    for name, value in (("record-ttl-millis", "1000"), ("query-ttl-millis", "0")):
        control.update_parameter_group(
            ParameterGroupName="quick",
            ParameterNameValues=[{"ParameterName": name, "ParameterValue": value}],
        )
    put(dax, table, "one")
    put(dynamodb, table, "two")
    assert version(dax, table) == "one"
    control.update_cluster(ClusterName="caching", ParameterGroupName="quick")
    advance(running, 2)
    assert version(dax, table) == "two"
    assert dax.scan(TableName=table)["Items"][0]["v"]["S"] == "two"
    put(dynamodb, table, "three")
    assert dax.scan(TableName=table)["Items"][0]["v"]["S"] == "three"
    control.update_cluster(ClusterName="caching", ParameterGroupName="default.dax1.0")


def test_a_restarted_node_has_forgotten(running, dax, dynamodb, table):
    put(dax, table, "one")
    put(dynamodb, table, "two")
    assert version(dax, table) == "one"
    running.client("dax").reboot_node(ClusterName="caching", NodeId="caching-a")
    running.endpoint_of("caching")
    until = time.monotonic() + 5
    while version(dax, table) != "two":
        assert time.monotonic() < until


def test_a_table_that_was_made_anew_is_another_one(running, dax, dynamodb, table):
    put(dax, table, "one")
    assert version(dax, table) == "one"
    dynamodb.delete_table(TableName=table)
    dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    advance(running, 11)
    assert version(dax, table) is None


def test_a_role_that_was_made_anew_is_assumed_again(running, dax, dynamodb, table):
    put(dax, table, "one")
    iam = running.client("iam")
    iam.delete_role_policy(RoleName="dax-caching", PolicyName="tables")
    with pytest.raises(ClientError):
        put(dax, table, "two")
    iam.delete_role(RoleName="dax-caching")
    make_role(iam, "dax-caching")
    # The session is refused once; the client asks again by itself.
    put(dax, table, "three")
    assert version(dax, table) == "three"


def test_the_clients_older_routing(running, endpoint, dynamodb, table):
    with running.dax(endpoint, is_route_manager_enabled=False) as client:
        put(client, table, "one")
        assert version(client, table) == "one"
