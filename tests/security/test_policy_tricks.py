"""Ways around a policy: missing keys, other spellings, wildcards where a name is meant, look-alikes.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cloud import ENDPOINT, Cloud
from tests.security.conftest import ACCOUNT, Person, Signed, code_of, document, message_of

TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/scores"
AS_JSON = {"Content-Type": "application/x-amz-json-1.0"}


@pytest.fixture(scope="module")
def town() -> Iterator[Cloud]:
    cloud = Cloud()
    dynamodb = cloud.client("dynamodb", access_key=ACCOUNT)
    dynamodb.create_table(
        TableName="scores",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("user", "game")],
        KeySchema=[
            {"AttributeName": "user", "KeyType": "HASH"},
            {"AttributeName": "game", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-game",
                "KeySchema": [{"AttributeName": "game", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    for user in ("ann", "bob"):
        dynamodb.put_item(TableName="scores", Item=item(user))
    s3 = cloud.client("s3", access_key=ACCOUNT)
    s3.create_bucket(Bucket="photos")
    yield cloud
    cloud.close()


def item(user: str) -> dict[str, Any]:
    return {"user": {"S": user}, "game": {"S": "chess"}, "wins": {"N": "1"}, "secret": {"S": "x"}}


@pytest.fixture(scope="module")
def hire(town: Cloud) -> Callable[..., Person]:
    iam = town.client("iam", access_key=ACCOUNT)

    def make(name: str, *statements: dict[str, Any], **tags: str) -> Person:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        arn = iam.create_user(UserName=name, Tags=listed)["User"]["Arn"]
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
        return Person(town, arn, iam.create_access_key(UserName=name)["AccessKey"])

    return make


@pytest.fixture(scope="module")
def ann(hire: Any) -> Any:
    """May touch her own items, and of them not the secret."""
    only = {
        "ForAllValues:StringEquals": {
            "dynamodb:LeadingKeys": ["${aws:username}"],
            "dynamodb:Attributes": ["user", "game", "wins"],
        },
        "StringEqualsIfExists": {
            "dynamodb:Select": "SPECIFIC_ATTRIBUTES",
            "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"],
        },
    }
    actions = ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "BatchWriteItem",
               "ConditionCheckItem", "PartiQLSelect", "PartiQLUpdate", "PartiQLInsert", "PartiQLDelete"]  # fmt: skip
    rows = {"Action": [f"dynamodb:{name}" for name in actions], "Resource": TABLE}
    return hire("ann", {**rows, "Condition": only}).client("dynamodb")


def key(user: str) -> dict[str, Any]:
    return {"user": {"S": user}, "game": {"S": "chess"}}


READ = {"TableName": "scores", "ProjectionExpression": "wins"}
BY_USER = {"KeyConditionExpression": "#u = :u", "ExpressionAttributeNames": {"#u": "user"}}


class TestRowsAndColumns:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html"""

    def test_ones_own(self, ann: Any) -> None:
        assert ann.get_item(Key=key("ann"), **READ)["Item"] == {"wins": {"N": "1"}}
        ann.query(ExpressionAttributeValues={":u": {"S": "ann"}}, **BY_USER, **READ)
        ann.update_item(TableName="scores", Key=key("ann"), UpdateExpression="SET wins = :w", ExpressionAttributeValues={":w": {"N": "2"}})  # fmt: skip
        ann.put_item(TableName="scores", Item={**key("ann"), "wins": {"N": "3"}})
        ann.execute_statement(Statement="SELECT wins FROM scores WHERE \"user\" = 'ann'")

    @pytest.mark.parametrize(
        ("operation", "params"),
        [
            ("get_item", {**READ, "Key": key("bob")}),
            ("get_item", {"TableName": "scores", "Key": key("ann")}),
            ("get_item", {**READ, "Key": key("ann"), "ProjectionExpression": "wins, secret"}),
            ("get_item", {**READ, "Key": key("ann"), "ProjectionExpression": "#s", "ExpressionAttributeNames": {"#s": "secret"}}),
            ("get_item", {"TableName": "scores", "Key": key("ann"), "AttributesToGet": ["secret"]}),
            ("put_item", {"TableName": "scores", "Item": {**key("bob"), "wins": {"N": "9"}}}),
            ("put_item", {"TableName": "scores", "Item": {**key("ann"), "secret": {"S": "9"}}}),
            ("put_item", {"TableName": "scores", "Item": key("ann"), "ReturnValues": "ALL_OLD"}),
            ("put_item", {"TableName": "scores", "Item": key("ann"), "ConditionExpression": "secret = :s", "ExpressionAttributeValues": {":s": {"S": "x"}}}),
            ("update_item", {"TableName": "scores", "Key": key("bob"), "UpdateExpression": "SET wins = :w", "ExpressionAttributeValues": {":w": {"N": "0"}}}),
            ("update_item", {"TableName": "scores", "Key": key("ann"), "UpdateExpression": "SET wins = secret"}),
            ("update_item", {"TableName": "scores", "Key": key("ann"), "UpdateExpression": "REMOVE secret"}),
            ("update_item", {"TableName": "scores", "Key": key("ann"), "ReturnValues": "ALL_NEW"}),
            ("update_item", {"TableName": "scores", "Key": key("ann"), "AttributeUpdates": {"secret": {"Value": {"S": "y"}, "Action": "PUT"}}}),
            ("delete_item", {"TableName": "scores", "Key": key("bob")}),
            ("delete_item", {"TableName": "scores", "Key": key("ann"), "Expected": {"secret": {"Exists": True, "Value": {"S": "x"}}}}),
            ("query", {**READ, **BY_USER, "ExpressionAttributeValues": {":u": {"S": "bob"}}}),
            ("query", {**READ, **BY_USER, "ExpressionAttributeValues": {":u": {"S": "ann"}, ":s": {"S": "x"}}, "FilterExpression": "secret = :s"}),
            ("query", {"TableName": "scores", "KeyConditions": {"user": {"AttributeValueList": [{"S": "bob"}], "ComparisonOperator": "EQ"}}, "AttributesToGet": ["wins"]}),
            ("query", {**READ, "IndexName": "by-game", "KeyConditionExpression": "game = :g", "ExpressionAttributeValues": {":g": {"S": "chess"}}}),
            ("scan", READ),
            ("batch_get_item", {"RequestItems": {"scores": {"Keys": [key("ann"), key("bob")], "ProjectionExpression": "wins"}}}),
            ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [key("bob")], "ProjectionExpression": "wins"}}}),
            ("batch_write_item", {"RequestItems": {"scores": [{"PutRequest": {"Item": key("ann")}}, {"DeleteRequest": {"Key": key("bob")}}]}}),
            ("transact_write_items", {"TransactItems": [{"Put": {"TableName": "scores", "Item": key("ann")}}, {"Delete": {"TableName": "scores", "Key": key("bob")}}]}),
            ("transact_write_items", {"TransactItems": [{"ConditionCheck": {"TableName": "scores", "Key": key("bob"), "ConditionExpression": "attribute_exists(wins)"}}]}),
            ("transact_get_items", {"TransactItems": [{"Get": {"TableName": TABLE, "Key": key("bob"), "ProjectionExpression": "wins"}}]}),
            ("execute_statement", {"Statement": "SELECT wins FROM scores WHERE \"user\" = 'bob'"}),
            ("execute_statement", {"Statement": "SELECT wins FROM scores WHERE \"user\" IN ['ann', 'bob']"}),
            ("execute_statement", {"Statement": "SELECT * FROM scores WHERE \"user\" = 'ann'"}),
            ("execute_statement", {"Statement": "SELECT secret FROM scores WHERE \"user\" = ?", "Parameters": [{"S": "ann"}]}),
            ("execute_statement", {"Statement": "UPDATE scores SET wins = 0 WHERE \"user\" = ? AND game = 'chess'", "Parameters": [{"S": "bob"}]}),
            ("execute_statement", {"Statement": "INSERT INTO scores VALUE {'user': 'bob', 'game': 'go'}"}),
            ("execute_statement", {"Statement": "DELETE FROM scores WHERE \"user\" = 'bob' AND game = 'chess'"}),
            ("execute_transaction", {"TransactStatements": [{"Statement": "DELETE FROM scores WHERE \"user\" = 'bob' AND game = 'chess'"}]}),
        ],
    )  # fmt: skip
    def test_and_nothing_else(self, ann: Any, operation: str, params: dict[str, Any]) -> None:
        assert code_of(getattr(ann, operation), **params) == "AccessDeniedException"

    def test_a_batch_of_statements_refuses_each(self, ann: Any, town: Cloud) -> None:
        other = "DELETE FROM scores WHERE \"user\" = 'bob' AND game = 'chess'"
        try:
            answer = ann.batch_execute_statement(Statements=[{"Statement": other}])
        except Exception as error:
            assert "AccessDenied" in str(error)  # noqa: PT017
        else:
            assert answer["Responses"][0]["Error"]["Code"] == "AccessDenied"
        found = town.client("dynamodb", access_key=ACCOUNT).get_item(TableName="scores", Key=key("bob"))  # fmt: skip
        assert "Item" in found


class TestSpellings:
    def test_actions_in_any_case_are_denied(self, hire: Any) -> None:
        eve = hire("eve-1", {"Action": "*"}, {"Effect": "Deny", "Action": "S3:lIsTaLlMyBuckets"})
        assert code_of(eve.client("s3").list_buckets) == "AccessDenied"

    def test_condition_keys_in_any_case(self, hire: Any) -> None:
        deny = {"Effect": "Deny", "Action": "*", "Condition": {"StringEquals": {"AWS:UserName": "eve-2"}}}  # fmt: skip
        eve = hire("eve-2", {"Action": "*"}, deny)
        assert code_of(eve.client("s3").list_buckets) == "AccessDenied"

    @pytest.mark.parametrize("spelling", ["Photos", "photos ", "phоtos", "photos%", "ｐhotos"])
    def test_look_alikes_are_others(self, hire: Any, town: Cloud, spelling: str) -> None:
        """A Cyrillic о, a full-width p: not the bucket that the policy names."""
        policy = {"Action": "s3:*", "Resource": f"arn:aws:s3:::{spelling}/*"}
        eve = hire(f"eve-{spelling.encode().hex()}", policy)
        assert code_of(eve.client("s3").get_object, Bucket="photos", Key="k") == "AccessDenied"

    @pytest.mark.parametrize("name", ["a*", "a?", "*", "${aws:username}", "a/b", "a b", "аnn"])
    def test_no_user_is_called_by_a_wildcard(self, town: Cloud, name: str) -> None:
        create = town.client("iam", access_key=ACCOUNT, parameter_validation=False).create_user
        assert code_of(create, UserName=name) == "ValidationError"

    def test_no_tag_holds_a_star(self, town: Cloud) -> None:
        """And what a variable brings in is no wildcard anyway: tests/engines/policy/test_conditions.py."""
        create = town.client("iam", access_key=ACCOUNT).create_user
        tags = [{"Key": "team", "Value": "*"}]
        assert code_of(create, UserName="eve-3", Tags=tags) == "ValidationError"

    def test_who_has_no_tag_has_no_folder(self, hire: Any) -> None:
        own = {"Action": "s3:*", "Resource": "arn:aws:s3:::photos/${aws:PrincipalTag/team}/*"}
        eve = hire("eve-4", own)
        for name in ("/x", "${aws:PrincipalTag/team}/x", "None/x", "null/x", "*/x"):
            put = eve.client("s3").put_object
            assert code_of(put, Bucket="photos", Key=name, Body=b"") == "AccessDenied"

    def test_nor_all_but_one_for_want_of_a_tag(self, hire: Any) -> None:
        """An Allow on all but one's own: whose own is unknown may nothing."""
        others = "arn:aws:s3:::photos/${aws:PrincipalTag/team}/*"
        statement = {"Effect": "Allow", "Action": "s3:*", "NotResource": others}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        eve = hire("eve-5", {"Action": "sts:GetCallerIdentity"})
        iam = eve.cloud.client("iam", access_key=ACCOUNT)
        iam.put_user_policy(UserName="eve-5", PolicyName="own", PolicyDocument=text)
        put = eve.client("s3").put_object
        assert code_of(put, Bucket="photos", Key="red/x", Body=b"") == "AccessDenied"


class TestHeadersThatClaim:
    """What a client says of itself in headers is no fact."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Forwarded-For": "10.0.0.1"},
            {"Forwarded": "for=10.0.0.1"},
            {"X-Real-IP": "10.0.0.1"},
            {"True-Client-IP": "10.0.0.1"},
        ],
    )
    def test_the_address_is_the_connections(self, hire: Any, headers: dict[str, str]) -> None:
        inside = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
        name = "far-" + next(iter(headers)).lower()
        eve = hire(name, {"Action": "s3:*", "Condition": inside})
        assert Signed(eve, "s3", "GET", "/").send(headers=headers).status == 403

    def test_the_way_is_the_connections(self, hire: Any, town: Cloud) -> None:
        """X-Forwarded-Proto makes nothing secure; loopback counts as secure by itself."""
        eve = hire("plain", {"Action": "s3:*", "Condition": {"Bool": {"aws:ViaAWSService": "true"}}})  # fmt: skip
        for name in ("x-amz-source-arn", "x-amz-via-aws-service", "aws:ViaAWSService", "x-amz-called-via"):  # fmt: skip
            request = Signed(eve, "s3", "GET", "/", headers={name.replace(":", "-"): "true"})
            assert request.send().status == 403

    def test_tags_are_not_the_requests_to_claim(self, hire: Any, town: Cloud) -> None:
        tagged = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
        eve = hire("claims", {"Action": "s3:*", "Condition": tagged})
        request = Signed(eve, "s3", "GET", "/", headers={"x-amz-principal-tag": "team=red"})
        assert request.send().status == 403


def test_conditions_on_tags_of_requests(hire: Any, town: Cloud) -> None:
    """ABAC: one may make queues of one's own team only, whichever way the tags are written."""
    own = {"StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}  # fmt: skip
    eve = hire("teams", {"Action": ["sqs:CreateQueue", "sqs:TagQueue"], "Condition": own}, team="red")  # fmt: skip
    create = eve.client("sqs").create_queue
    create(QueueName="mine", tags={"team": "red"})
    for tags in ({}, {"team": "blue"}, {"Team ": "red"}, {"team": "red", "more": "x"}, {"team": "RED"}):  # fmt: skip
        with pytest.raises(Exception, match="not authorized"):
            create(QueueName="other", tags=tags)


def test_remembered_verdicts_do_not_leak_between_objects(hire: Any, town: Cloud) -> None:
    one = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/a/*"}
    eve = hire("leak", one, {"Action": "s3:ListBucket"})
    town.client("s3", access_key=ACCOUNT).put_object(Bucket="photos", Key="a/1", Body=b"1")
    town.client("s3", access_key=ACCOUNT).put_object(Bucket="photos", Key="b/1", Body=b"1")
    s3 = eve.client("s3")
    for _ in range(3):
        s3.get_object(Bucket="photos", Key="a/1")
        assert "s3:GetObject" in message_of(s3.get_object, Bucket="photos", Key="b/1")


def test_signature_conditions(hire: Any, town: Cloud) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html: presigned URLs live ten minutes at most."""
    old = {"Effect": "Deny", "Action": "s3:*", "Condition": {"NumericGreaterThan": {"s3:signatureAge": "600000"}}}  # fmt: skip
    eve = hire("ages", {"Action": "s3:*"}, old)
    town.client("s3", access_key=ACCOUNT).put_object(Bucket="photos", Key="aged", Body=b"1")
    url = eve.client("s3", signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": "photos", "Key": "aged"}, ExpiresIn=7200
    )
    assert town.http("GET", url).status == 200
    town.advance(1200)
    assert town.http("GET", url).status == 403
    assert url.startswith(ENDPOINT)
