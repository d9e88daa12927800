"""Who may: the caller on the cluster, the cluster's role on the tables, and nobody without a signature.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.access-control.html
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from tests.services.dax.conftest import make_role, policy

KEY = {"k": {"S": "a"}}
ARN = "arn:aws:dax:us-east-1:000000000000:cache/guarded"


@pytest.fixture(scope="module")
def guarded(running):
    """A cluster whose role may read and write `open-table` and only read `read-table`, and a user without rights."""
    iam, dynamodb = running.client("iam"), running.client("dynamodb")
    role = make_role(iam, "guarded", "dynamodb:GetItem", "dynamodb:DescribeTable")
    iam.put_role_policy(
        RoleName="guarded",
        PolicyName="more",
        PolicyDocument=policy(
            "dynamodb:*", resource="arn:aws:dynamodb:us-east-1:000000000000:table/open-table"
        ),
    )
    for table in ("open-table", "read-table"):
        dynamodb.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    iam.create_user(UserName="caller")
    key = iam.create_access_key(UserName="caller")["AccessKey"]
    return SimpleNamespace(
        endpoint=running.make_cluster("guarded", role),
        iam=iam,
        key=key["AccessKeyId"],
        secret=key["SecretAccessKey"],
    )


def allow(guarded, *actions: str, **statement) -> None:
    guarded.iam.put_user_policy(
        UserName="caller",
        PolicyName="p",
        PolicyDocument=policy(*actions, resource=ARN, **statement),
    )


@pytest.fixture
def caller(running, guarded):
    with running.dax(guarded.endpoint, guarded.key, guarded.secret) as client:
        yield client


def refused(call, **params) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_caller_needs_rights_on_the_cluster_and_none_on_the_table(guarded, caller):
    allow(guarded, "dax:PutItem")
    caller.put_item(TableName="open-table", Item=KEY)
    code, message = refused(caller.get_item, TableName="open-table", Key=KEY)
    assert code == "AccessDeniedException"
    assert f"is not authorized to perform: dax:GetItem on resource: {ARN}" in message
    allow(guarded, "dax:GetItem")
    assert caller.get_item(TableName="open-table", Key=KEY)["Item"] == KEY
    # Also what is in the cache is for those alone who may.
    allow(guarded, "dax:Query")
    assert refused(caller.get_item, TableName="open-table", Key=KEY)[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("action", "operation", "params"),
    [
        ("PutItem", "put_item", {"TableName": "open-table", "Item": KEY}),
        ("DeleteItem", "delete_item", {"TableName": "open-table", "Key": KEY}),
        ("UpdateItem", "update_item", {"TableName": "open-table", "Key": KEY}),
        ("Scan", "scan", {"TableName": "open-table"}),
        (
            "Query",
            "query",
            {
                "TableName": "open-table",
                "KeyConditionExpression": "k = :k",
                "ExpressionAttributeValues": {":k": {"S": "a"}},
            },
        ),
        ("BatchGetItem", "batch_get_item", {"RequestItems": {"open-table": {"Keys": [KEY]}}}),
        (
            "BatchWriteItem",
            "batch_write_item",
            {"RequestItems": {"open-table": [{"DeleteRequest": {"Key": KEY}}]}},
        ),
    ],
)
def test_every_operation_asks_for_its_own_action(guarded, caller, action, operation, params):
    allow(guarded, "dax:DescribeClusters")
    code, message = refused(getattr(caller, operation), **params)
    assert code == "AccessDeniedException"
    assert f"perform: dax:{action} " in message
    allow(guarded, f"dax:{action}")
    getattr(caller, operation)(**params)


def test_transactions_can_be_told_from_single_operations(guarded, caller):
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodbacceleratordax.html"""
    only = {"StringEquals": {"dax:EnclosingOperation": "TransactWriteItems"}}
    allow(guarded, "dax:PutItem", Condition=only)
    put = {"TableName": "open-table", "Item": KEY}
    assert refused(caller.put_item, **put)[0] == "AccessDeniedException"
    caller.transact_write_items(TransactItems=[{"Put": put}])
    check = {
        "TableName": "open-table",
        "Key": {"k": {"S": "b"}},
        "ConditionExpression": "attribute_not_exists(k)",
    }
    items = [{"Put": put}, {"ConditionCheck": check}]
    code, message = refused(caller.transact_write_items, TransactItems=items)
    assert (code, "dax:ConditionCheckItem" in message) == ("AccessDeniedException", True)
    get = [{"Get": {"TableName": "open-table", "Key": KEY}}]
    assert refused(caller.transact_get_items, TransactItems=get)[0] == "AccessDeniedException"


def test_the_cluster_can_do_no_more_than_its_role(guarded, running):
    with running.dax(guarded.endpoint) as root:
        assert "Item" not in root.get_item(TableName="read-table", Key=KEY)
        code, message = refused(root.put_item, TableName="read-table", Item=KEY)
        assert code == "AccessDeniedException"
        assert "assumed-role/guarded/dax-guarded is not authorized" in message
        assert "dynamodb:PutItem" in message


def test_a_wrong_secret_is_refused(guarded, running):
    with pytest.raises(ClientError) as raised:
        running.dax(guarded.endpoint, guarded.key, "wrong")
    assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_a_key_that_was_taken_away_is_refused_on_an_open_connection(guarded, running):
    allow(guarded, "dax:GetItem")
    key = guarded.iam.create_access_key(UserName="caller")["AccessKey"]
    with running.dax(guarded.endpoint, key["AccessKeyId"], key["SecretAccessKey"]) as client:
        client.get_item(TableName="open-table", Key=KEY)
        guarded.iam.update_access_key(
            UserName="caller", AccessKeyId=key["AccessKeyId"], Status="Inactive"
        )
        with pytest.raises(ClientError):
            client.get_item(TableName="open-table", Key=KEY)
    guarded.iam.delete_access_key(UserName="caller", AccessKeyId=key["AccessKeyId"])


def test_temporary_credentials(guarded, running):
    token = running.client("sts", guarded.key, guarded.secret).get_session_token()["Credentials"]
    allow(guarded, "dax:GetItem")
    with running.dax(
        guarded.endpoint,
        token["AccessKeyId"],
        token["SecretAccessKey"],
        aws_access_key_id=token["AccessKeyId"],
        aws_secret_access_key=token["SecretAccessKey"],
        aws_session_token=token["SessionToken"],
    ) as client:
        client.get_item(TableName="open-table", Key=KEY)
    with pytest.raises(ClientError):
        running.dax(
            guarded.endpoint,
            aws_access_key_id=token["AccessKeyId"],
            aws_secret_access_key=token["SecretAccessKey"],
            aws_session_token="wrong",
        )


def test_other_accounts_get_nothing(guarded, running):
    """An open house takes twelve digits for the root of that account. Refused its endpoints, the client knows no way."""
    with pytest.raises(ClientError) as raised:
        running.dax(guarded.endpoint, "111122223333", "any")
    assert raised.value.response["Error"]["Code"] == "NoRouteException"


def test_lists_of_names_are_made_for_who_may_put_items(guarded, caller):
    allow(guarded, "dax:GetItem")
    item = {**KEY, "never-seen-before": {"S": "x"}}
    code, message = refused(caller.put_item, TableName="open-table", Item=item)
    assert (code, "dax:PutItem" in message) == ("AccessDeniedException", True)
    client = caller._cluster.read_client()
    with client._tube_pool.get() as tube:
        tube.reauth()
        with pytest.raises(ClientError) as raised:
            client._defineAttributeListId(("never", "seen"), tube)
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    allow(guarded, "dax:BatchWriteItem")
    puts = [{"PutRequest": {"Item": item}}]
    caller.batch_write_item(RequestItems={"open-table": puts})
