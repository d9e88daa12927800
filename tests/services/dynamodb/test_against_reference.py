"""The service against a plain Python model of a table, step by step, and against nonsense."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serein.base.errors import AwsError
from serein.engines.expressions.values import item_size
from serein.kernel.calls import Call, Scope, root_of
from serein.wire.http import HttpResponse
from tests.cloud import ENDPOINT, Cloud
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, index, schema

ACCOUNT = "000000000000"
SCOPE = Scope(account=ACCOUNT, region="us-east-1", request_id="test")

hashes = st.sampled_from(["a", "b", "\x00", "é"])
sorts = st.sampled_from(["-10", "-1.5", "0", "1", "2", "10", "1e30"])
groups = st.sampled_from(["x", "y"])
numbers = st.integers(-3, 3).map(str)


def call(cloud: Cloud, operation: str, **params: Any) -> dict[str, Any]:
    """One call through the door, its answer as JSON would bring it."""
    made = Call("dynamodb", operation, copy.deepcopy(params), root_of(ACCOUNT), SCOPE)

    async def answer() -> dict[str, Any]:
        return await cloud.house.dispatch.call(made)

    return orjson.loads(orjson.dumps(cloud.run(answer())))


def plain(text: str) -> str:
    return format(Decimal(text), "f")


class Table(RuleBasedStateMachine):
    """A table with a sparse global index (g, n) and a local one (n)."""

    @initialize()
    def create(self):
        self.cloud = Cloud()
        self.items = {}
        call(
            self.cloud,
            "CreateTable",
            TableName="table",
            AttributeDefinitions=definitions(pk="S", sk="N", g="S", n="N"),
            KeySchema=schema("pk", "sk"),
            GlobalSecondaryIndexes=[index("global", schema("g", "n"))],
            LocalSecondaryIndexes=[index("local", schema("pk", "n"), "KEYS_ONLY")],
            **PER_REQUEST,
        )

    def teardown(self):
        if hasattr(self, "cloud"):
            self.cloud.close()

    def item(self, hash_value, sort_value, group, number):
        item = {"pk": {"S": hash_value}, "sk": {"N": plain(sort_value)}}
        if group:
            item["g"] = {"S": group}
        if number:
            item["n"] = {"N": number}
        return item

    @rule(h=hashes, s=sorts, g=st.none() | groups, n=st.none() | numbers)
    def put(self, h, s, g, n):
        item = self.item(h, s, g, n)
        answer = call(self.cloud, "PutItem", TableName="table", Item=item, ReturnValues="ALL_OLD")
        assert answer.get("Attributes") == self.items.get((h, Decimal(s)))
        self.items[h, Decimal(s)] = item

    @rule(h=hashes, s=sorts)
    def put_only_if_absent(self, h, s):
        item = self.item(h, s, "x", "0")
        try:
            call(
                self.cloud,
                "PutItem",
                TableName="table",
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
            )
        except AwsError as error:
            assert error.code == "ConditionalCheckFailedException"  # noqa: PT017
            assert (h, Decimal(s)) in self.items
        else:
            assert (h, Decimal(s)) not in self.items
            self.items[h, Decimal(s)] = item

    @rule(h=hashes, s=sorts)
    def delete(self, h, s):
        answer = call(
            self.cloud,
            "DeleteItem",
            TableName="table",
            Key={"pk": {"S": h}, "sk": {"N": s}},
            ReturnValues="ALL_OLD",
        )
        assert answer.get("Attributes") == self.items.pop((h, Decimal(s)), None)

    @rule(h=hashes, s=sorts, g=groups, by=numbers)
    def update(self, h, s, g, by):
        answer = call(
            self.cloud,
            "UpdateItem",
            TableName="table",
            Key={"pk": {"S": h}, "sk": {"N": s}},
            UpdateExpression="SET g = :g ADD n :by",
            ExpressionAttributeValues={":g": {"S": g}, ":by": {"N": by}},
            ReturnValues="ALL_NEW",
        )
        item = dict(self.items.get((h, Decimal(s)), self.item(h, s, None, None)))
        item["g"] = {"S": g}
        item["n"] = {"N": str(int(item.get("n", {"N": "0"})["N"]) + int(by))}
        assert answer["Attributes"] == item
        self.items[h, Decimal(s)] = item

    @rule(h=hashes, s=sorts)
    def leave_the_index(self, h, s):
        if (h, Decimal(s)) in self.items:
            call(
                self.cloud,
                "UpdateItem",
                TableName="table",
                Key={"pk": {"S": h}, "sk": {"N": s}},
                UpdateExpression="REMOVE g",
            )
            item = dict(self.items[h, Decimal(s)])
            item.pop("g", None)
            self.items[h, Decimal(s)] = item

    @rule(writes=st.lists(st.tuples(hashes, sorts, st.booleans()), max_size=4))
    def transact(self, writes):
        entries, after = [], dict(self.items)
        for h, s, is_put in writes:
            item = self.item(h, s, "y", "1")
            if is_put:
                entries.append({"Put": {"TableName": "table", "Item": item}})
                after[h, Decimal(s)] = item
            else:
                key = {"pk": item["pk"], "sk": item["sk"]}
                entries.append({"Delete": {"TableName": "table", "Key": key}})
                after.pop((h, Decimal(s)), None)
        if not entries:
            return
        try:
            call(self.cloud, "TransactWriteItems", TransactItems=entries)
        except AwsError as error:
            assert "multiple operations on one item" in error.message  # noqa: PT017
            assert len({(h, Decimal(s)) for h, s, _ in writes}) < len(writes)
        else:
            self.items = after

    @rule(
        h=hashes,
        operator=st.sampled_from(["<", "<=", "=", ">", ">="]),
        bound=sorts,
        forward=st.booleans(),
        limit=st.integers(1, 4),
    )
    def query(self, h, operator, bound, forward, limit):
        compare = {
            "<": lambda s: s < Decimal(bound),
            "<=": lambda s: s <= Decimal(bound),
            "=": lambda s: s == Decimal(bound),
            ">": lambda s: s > Decimal(bound),
            ">=": lambda s: s >= Decimal(bound),
        }[operator]
        keys = sorted(s for one, s in self.items if one == h and compare(s))
        if not forward:
            keys.reverse()
        found = self.pages(
            "Query",
            limit,
            KeyConditionExpression=f"pk = :p AND sk {operator} :s",
            ExpressionAttributeValues={":p": {"S": h}, ":s": {"N": bound}},
            ScanIndexForward=forward,
        )
        assert found == [self.items[h, s] for s in keys]

    @rule(g=groups, forward=st.booleans(), limit=st.integers(1, 4))
    def query_index(self, g, forward, limit):
        found = self.pages(
            "Query",
            limit,
            IndexName="global",
            KeyConditionExpression="g = :g",
            ExpressionAttributeValues={":g": {"S": g}},
            ScanIndexForward=forward,
        )
        listed = [int(item["n"]["N"]) for item in found]
        assert listed == sorted(listed, reverse=not forward)
        expected = [i for i in self.items.values() if i.get("g") == {"S": g} and "n" in i]
        assert sorted(found, key=orjson.dumps) == sorted(expected, key=orjson.dumps)

    @rule(limit=st.integers(1, 7))
    def scan(self, limit):
        for name in (None, "local"):
            more = {"IndexName": name, "Select": "ALL_ATTRIBUTES"} if name else {}
            found = self.pages("Scan", limit, **more)
            expected = [i for i in self.items.values() if name is None or "n" in i]
            assert sorted(found, key=_stable) == sorted(expected, key=_stable)

    def pages(self, operation, limit, **params):
        found, start = [], {}
        while True:
            page = call(self.cloud, operation, TableName="table", Limit=limit, **params, **start)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    @invariant()
    def counts_agree(self):
        if hasattr(self, "items"):
            answer = call(self.cloud, "Scan", TableName="table", Select="COUNT")
            assert answer["Count"] == len(self.items)
            table = call(self.cloud, "DescribeTable", TableName="table")["Table"]
            assert table["TableSizeBytes"] == sum(map(item_size, self.items.values()))


def _stable(item: dict[str, Any]) -> bytes:
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)


TestTable = Table.TestCase
TestTable.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["S", "N", "B", "SS", "NS", "M", "L", "NULL", "BOOL", "pk", "x"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=5,
)
words = st.lists(
    st.sampled_from(
        [
            "pk",
            "sk",
            "x",
            "#n",
            ":v",
            ":w",
            "(",
            ")",
            ",",
            ".",
            "[0]",
            "=",
            "<",
            ">=",
            "+",
            "-",
            "AND",
            "OR",
            "NOT",
            "IN",
            "BETWEEN",
            "SET",
            "REMOVE",
            "ADD",
            "DELETE",
            "size(",
            "begins_with(",
            "contains(",
            "attribute_exists(",
            "if_not_exists(",
            "list_append(",
            "é",
            "12",
        ]
    ),
    max_size=9,
).map(" ".join)
attributes = st.dictionaries(st.sampled_from(["pk", "sk", "g", "n", "x"]), anything, max_size=3)
statements = st.lists(
    st.sampled_from(
        [
            "SELECT",
            "*",
            "FROM",
            "table",
            "INSERT",
            "INTO",
            "VALUE",
            "{'pk':'a','sk':1}",
            "UPDATE",
            "SET",
            "REMOVE",
            "DELETE",
            "WHERE",
            "EXISTS(",
            ")",
            "pk",
            "=",
            "'a'",
            "AND",
            "sk",
            ">",
            "1",
            "g",
            "n",
            ".",
            "global",
            "ORDER",
            "BY",
            "DESC",
            "?",
            "begins_with(",
            ",",
            "set_add(",
            "size(",
            "IN",
            "['a']",
            "BETWEEN",
            "IS",
            "MISSING",
            "RETURNING",
            "ALL",
            "NEW",
        ]
    ),
    max_size=14,
).map(" ".join) | st.sampled_from(
    [
        "SELECT * FROM table WHERE pk = ? AND sk = ?",
        "UPDATE table SET x = ? WHERE pk = 'a' AND sk = 1",
        "SELECT x FROM table.global WHERE g = ? ORDER BY n",
        "INSERT INTO table VALUE ?",
    ]
)
optional = {
    "Statement": statements,
    "Parameters": st.lists(anything | st.just({"S": "a"}), min_size=1, max_size=3),
    "Item": attributes,
    "Key": attributes,
    "ExclusiveStartKey": attributes,
    "Expected": attributes,
    "AttributeUpdates": attributes,
    "KeyConditions": attributes,
    "QueryFilter": attributes,
    "ConditionExpression": words,
    "FilterExpression": words,
    "UpdateExpression": words,
    "KeyConditionExpression": words | st.just("pk = :v"),
    "ProjectionExpression": words,
    "ExpressionAttributeNames": st.dictionaries(st.sampled_from(["#n", "n"]), st.text(max_size=3)),
    "ExpressionAttributeValues": st.dictionaries(
        st.sampled_from([":v", ":w", "v"]), anything | st.just({"S": "a"})
    ),
    "IndexName": st.sampled_from(["global", "local", "nope"]),
    "Limit": st.integers(-1, 3),
    "Select": st.sampled_from(["COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"]),
    "ReturnValues": st.sampled_from(["ALL_OLD", "UPDATED_NEW", "x"]),
    "ReturnConsumedCapacity": st.sampled_from(["INDEXES", "TOTAL"]),
}
operations = (
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "ExecuteStatement",
)


def post(cloud: Cloud, operation: str, params: dict[str, Any]) -> HttpResponse:
    """A signed request with any body, which no client would send."""
    request = AWSRequest(
        "POST",
        ENDPOINT,
        data=orjson.dumps(params),
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        },
    )
    SigV4Auth(Credentials("test", "test"), "dynamodb", "us-east-1").add_auth(request)
    headers = {name: str(value) for name, value in request.headers.items()}
    return cloud.http("POST", f"{ENDPOINT}/", headers, request.data)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.sampled_from(operations), st.fixed_dictionaries({}, optional=optional)),
        min_size=10,
        max_size=30,
    )
)
def test_nonsense_is_refused_and_never_our_fault(requests):
    machine = Table()
    machine.create()
    try:
        for operation, params in requests:
            answer = post(machine.cloud, operation, {"TableName": "table", **params})
            assert answer.status < 500, (operation, params, answer.body)
            assert b"Signature" not in answer.body
    finally:
        machine.teardown()


ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/table"
KEYS = {
    "KeySchema": schema("pk"),
    "AttributeDefinitions": definitions(pk="S"),
    "TableName": "other",
    **PER_REQUEST,
}


@pytest.fixture(scope="module")
def machine():
    made = Table()
    made.create()
    yield made
    made.teardown()


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("PutItem", {"TableName": "table", "Item": {}, "Expected": {"pk": None}}),
        ("Query", {"TableName": "table", "KeyConditions": {"pk": None}}),
        ("Scan", {"TableName": "table", "ScanFilter": {"pk": None}}),
        ("BatchGetItem", {"RequestItems": {"table": None}}),
        ("BatchGetItem", {"RequestItems": {"table": {"Keys": [None]}}}),
        ("BatchWriteItem", {"RequestItems": {"table": None}}),
        ("BatchWriteItem", {"RequestItems": {"table": [None]}}),
        ("TransactWriteItems", {"TransactItems": [None]}),
        ("TransactGetItems", {"TransactItems": [None]}),
        ("CreateTable", {**KEYS, "GlobalSecondaryIndexes": [None]}),
        ("CreateTable", {**KEYS, "Tags": [None]}),
        ("UpdateTable", {"TableName": "table", "GlobalSecondaryIndexUpdates": [None]}),
        ("BatchExecuteStatement", {"Statements": [None]}),
        ("ExecuteTransaction", {"TransactStatements": [None]}),
        ("TagResource", {"ResourceArn": ARN, "Tags": [None]}),
        ("UntagResource", {"ResourceArn": ARN, "TagKeys": [None]}),
    ],
)
def test_nulls_in_lists_and_maps_are_refused(machine, operation, params):
    answer = post(machine.cloud, operation, params)
    assert answer.status == 400
    assert orjson.loads(answer.body)["__type"].endswith("ValidationException")
