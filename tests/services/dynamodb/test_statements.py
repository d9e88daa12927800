"""PartiQL.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def refused(call, **params):
    with pytest.raises(ClientError) as raised:
        call(**params)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


@pytest.fixture
def run(dynamodb):
    def execute(statement, *parameters, **more):
        params = {"Parameters": list(parameters)} if parameters else {}
        return dynamodb.execute_statement(Statement=statement, **params, **more)

    return execute


@pytest.fixture
def numbers(dynamodb, sorted_table):
    for name in "ab":
        for number in range(5):
            dynamodb.put_item(
                TableName=sorted_table,
                Item={
                    "pk": {"S": name},
                    "sk": {"N": str(number)},
                    "even": {"BOOL": number % 2 == 0},
                    "m": {"M": {"l": {"L": [{"N": str(number)}]}}},
                },
            )
    return sorted_table


def found(answer):
    return [(item["pk"]["S"], int(item["sk"]["N"])) for item in answer["Items"]]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("pk = 'a'", [("a", n) for n in range(5)]),
        ("pk = 'a' AND sk = 3", [("a", 3)]),
        ("pk = 'a' AND sk > 2", [("a", 3), ("a", 4)]),
        ("pk = 'a' AND sk BETWEEN 1 AND 2", [("a", 1), ("a", 2)]),
        ("pk = 'a' AND even = true", [("a", 0), ("a", 2), ("a", 4)]),
        ("pk IN ['a', 'b'] AND sk = 0", [("a", 0), ("b", 0)]),
        ("sk = 4", [("a", 4), ("b", 4)]),
        ("m.l[0] = 4 AND pk = 'b'", [("b", 4)]),
        ("pk = 'a' AND (sk = 0 OR sk = 4)", [("a", 0), ("a", 4)]),
        ("pk = 'a' AND NOT sk < 4", [("a", 4)]),
        ("pk = 'a' AND nothing IS MISSING AND sk != 0 AND sk < 2", [("a", 1)]),
        ("begins_with(pk, 'b') AND sk < 1", [("b", 0)]),
        ("pk = 'a' ORDER BY sk DESC", [("a", n) for n in range(4, -1, -1)]),
    ],
)
def test_select(run, numbers, where, expected):
    answer = found(run(f'SELECT * FROM "{numbers}" WHERE {where}'))
    # Without a partition key the order is a Scan's, which says nothing.
    assert (answer if "pk = " in where else sorted(answer)) == expected


def test_select_attributes_with_parameters(run, numbers):
    answer = run(
        f'SELECT sk, m.l[0] FROM "{numbers}" WHERE pk = ? AND sk = ?', {"S": "a"}, {"N": "2.0"}
    )
    # Clients of AWS's service rely on it: values come under the last name of their paths.
    assert answer["Items"] == [{"sk": {"N": "2"}, "l[0]": {"N": "2"}}]


@pytest.mark.parametrize("order", ["", " ORDER BY sk DESC"])
def test_pages(run, numbers, order):
    statement = f"SELECT * FROM \"{numbers}\" WHERE pk IN ['a', 'b']{order}"
    whole = found(run(statement))
    pages, token = [], {}
    while True:
        answer = run(statement, Limit=3, **token)
        assert len(answer["Items"]) <= 3
        pages += found(answer)
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert pages == whole
    assert len(whole) == 10


def test_select_from_an_index(dynamodb, run, indexed):
    dynamodb.put_item(
        TableName=indexed,
        Item={"pk": {"S": "a"}, "sk": {"S": "b"}, "g": {"S": "x"}, "n": {"N": "1"}},
    )
    answer = run(f'SELECT pk FROM "{indexed}"."by-g" WHERE g = \'x\' AND n > 0')
    assert answer["Items"] == [{"pk": {"S": "a"}}]


def test_write(dynamodb, run, simple):
    run(f"INSERT INTO \"{simple}\" VALUE {{'pk': 'a', 'n': 1, 's': <<'x', 'y'>>, 'l': [1, null]}}")
    item = dynamodb.get_item(TableName=simple, Key={"pk": {"S": "a"}})["Item"]
    assert item == {
        "pk": {"S": "a"},
        "n": {"N": "1"},
        "s": {"SS": ["x", "y"]},
        "l": {"L": [{"N": "1"}, {"NULL": True}]},
    }
    assert refused(
        dynamodb.execute_statement, Statement=f"INSERT INTO {simple} VALUE {{'pk': 'a'}}"
    ) == ("DuplicateItemException", "Duplicate primary key exists in table")
    answer = run(
        f"UPDATE {simple} SET n = n + 1 SET s = set_add(s, <<'z'>>) SET l = list_append(l, ?) "
        "REMOVE missing WHERE pk = 'a' AND n = 1 RETURNING ALL NEW *",
        {"L": [{"S": "q"}]},
    )
    assert answer["Items"] == [
        {
            "pk": {"S": "a"},
            "n": {"N": "2"},
            "s": {"SS": ["x", "y", "z"]},
            "l": {"L": [{"N": "1"}, {"NULL": True}, {"S": "q"}]},
        }
    ]
    assert refused(
        dynamodb.execute_statement, Statement=f"UPDATE {simple} SET n = 1 WHERE pk = 'b'"
    ) == ("ConditionalCheckFailedException", "The conditional request failed")
    gone = run(f"DELETE FROM {simple} WHERE pk = 'a' RETURNING ALL OLD *")
    assert gone["Items"][0]["n"] == {"N": "2"}
    assert run(f"DELETE FROM {simple} WHERE pk = 'a'")["Items"] == []


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "SELECT",
            "Statement wasn't well formed, can't be processed: Unexpected token: <EOF>",
        ),
        (
            "DELETE FROM simple WHERE x = 1",
            "Where clause does not contain a mandatory equality on all key attributes",
        ),
        (
            "SELECT * FROM simple WHERE pk = ?",
            "Number of parameters in request and statement don't match.",
        ),
        (
            "SELECT * FROM simple ORDER BY pk",
            "Must have WHERE clause in the statement when using ORDER BY clause.",
        ),
    ],
)
def test_refused(dynamodb, simple, statement, message):
    assert refused(dynamodb.execute_statement, Statement=statement) == (
        "ValidationException",
        message,
    )


def test_batch(dynamodb, simple):
    answer = dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": f"INSERT INTO {simple} VALUE {{'pk': 'a'}}"},
            {"Statement": f"INSERT INTO {simple} VALUE {{'pk': 'a'}}"},
            {"Statement": "INSERT INTO nope VALUE {'pk': 'a'}"},
        ]
    )
    assert answer["Responses"] == [
        {"TableName": simple},
        {
            "TableName": simple,
            "Error": {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"},
        },
        {"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}},
    ]
    answer = dynamodb.batch_execute_statement(
        Statements=[{"Statement": f"SELECT * FROM {simple} WHERE pk = '{key}'"} for key in "ab"]
    )
    assert answer["Responses"] == [
        {"TableName": simple, "Item": {"pk": {"S": "a"}}},
        {"TableName": simple},
    ]


def test_transaction(dynamodb, simple):
    dynamodb.put_item(TableName=simple, Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    dynamodb.execute_transaction(
        TransactStatements=[
            {"Statement": f"INSERT INTO {simple} VALUE {{'pk': 'b'}}"},
            {"Statement": f"EXISTS(SELECT * FROM {simple} WHERE pk = 'a' AND n = 1)"},
        ]
    )
    with pytest.raises(ClientError) as raised:
        dynamodb.execute_transaction(
            TransactStatements=[
                {"Statement": f"INSERT INTO {simple} VALUE {{'pk': 'c'}}"},
                {"Statement": f"INSERT INTO {simple} VALUE {{'pk': 'b'}}"},
            ]
        )
    codes = [reason["Code"] for reason in raised.value.response["CancellationReasons"]]
    assert codes == ["None", "DuplicateItem"]
    answer = dynamodb.execute_transaction(
        TransactStatements=[
            {"Statement": f"SELECT * FROM {simple} WHERE pk = '{key}'"} for key in "bc"
        ]
    )
    assert answer["Responses"] == [{"Item": {"pk": {"S": "b"}}}, {}]


def test_policies_decide(cloud, simple):
    iam = cloud.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.put_user_policy(
        UserName="reader",
        PolicyName="read",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
        '"Action": "dynamodb:PartiQLSelect", "Resource": "*"}]}',
    )
    reader = cloud.client(
        "dynamodb", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
    )
    assert reader.execute_statement(Statement=f"SELECT * FROM {simple}")["Items"] == []
    assert (
        refused(reader.execute_statement, Statement=f"INSERT INTO {simple} VALUE {{'pk': 'a'}}")[0]
        == "AccessDeniedException"
    )


def test_no_way_of_writing_misleads_the_policies(cloud, dynamodb, simple, sorted_table):
    """A name that looks like a FROM is a name still."""
    iam = cloud.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.put_user_policy(
        UserName="reader",
        PolicyName="read",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
        '"Action": "dynamodb:PartiQLSelect", "Resource": "arn:aws:dynamodb:*:*:table/simple"}]}',
    )
    reader = cloud.client(
        "dynamodb", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
    )
    for statement in (
        f'SELECT "FROM {simple}" FROM {sorted_table}',
        f"SELECT FROM FROM {sorted_table}",
    ):
        assert refused(reader.execute_statement, Statement=statement)[0] == "AccessDeniedException"


def test_consumed_capacity_of_each_statement(dynamodb, simple):
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html"""
    writes = [
        {"Statement": f"INSERT INTO simple VALUE {{'pk': '{name}', 'x': '{'y' * 1500}'}}"}
        for name in "ab"
    ]
    told = dynamodb.batch_execute_statement(Statements=writes, ReturnConsumedCapacity="TOTAL")
    assert [one["CapacityUnits"] for one in told["ConsumedCapacity"]] == [2.0, 2.0]
    reads = [
        {"Statement": "SELECT pk FROM simple WHERE pk = 'a'", "ConsistentRead": True},
        {"Statement": "SELECT pk FROM simple WHERE pk = 'b'"},
    ]
    told = dynamodb.batch_execute_statement(Statements=reads, ReturnConsumedCapacity="TOTAL")
    assert [one["CapacityUnits"] for one in told["ConsumedCapacity"]] == [1.0, 0.5]
    statements = [{"Statement": "DELETE FROM simple WHERE pk = 'a'"}]
    told = dynamodb.execute_transaction(
        TransactStatements=statements, ReturnConsumedCapacity="INDEXES"
    )
    (one,) = told["ConsumedCapacity"]
    assert one["WriteCapacityUnits"] == one["CapacityUnits"] == 4.0
    assert one["Table"]["WriteCapacityUnits"] == 4.0
    told = dynamodb.execute_transaction(
        TransactStatements=[{"Statement": "SELECT * FROM simple WHERE pk = 'b'"}],
        ReturnConsumedCapacity="TOTAL",
    )
    assert told["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2.0


def test_a_batch_reads_by_whole_keys(dynamodb, sorted_table):
    answer = dynamodb.batch_execute_statement(
        Statements=[{"Statement": "SELECT * FROM sorted WHERE pk = 'a'"}]
    )
    assert answer["Responses"][0]["Error"]["Message"] == (
        "Select statements within BatchExecuteStatement must specify the primary key in the where "
        "clause."
    )


def test_names_of_members_in_brackets(dynamodb, simple):
    dynamodb.put_item(
        TableName=simple, Item={"pk": {"S": "a"}, "m": {"M": {"the key": {"L": [{"N": "7"}]}}}}
    )
    answer = dynamodb.execute_statement(
        Statement="SELECT m['the key'][0] FROM simple WHERE pk = 'a' AND m['the key'][0] = 7"
    )
    assert answer["Items"] == [{"the key[0]": {"N": "7"}}]
