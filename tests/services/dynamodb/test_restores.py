"""Point-in-time recovery: any second since it was switched on, into a new table.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from botocore.exceptions import ClientError

from tests.services.dynamodb.test_backups import jump, marks


def recover(dynamodb, table, enabled=True):
    dynamodb.update_continuous_backups(
        TableName=table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled},
    )


def put(dynamodb, table, key, mark):
    dynamodb.put_item(TableName=table, Item={"pk": {"S": key}, "mark": {"S": mark}})


def at(seconds):
    return datetime.fromtimestamp(int(seconds), UTC)


def test_a_table_is_restored_as_it_was_at_a_second(cloud, dynamodb, simple):
    put(dynamodb, simple, "a", "before")
    recover(dynamodb, simple)
    cloud.advance(60)
    put(dynamodb, simple, "a", "changed")
    put(dynamodb, simple, "b", "added")
    cloud.advance(60)
    then = cloud.clock.now()
    cloud.advance(60)
    dynamodb.delete_item(TableName=simple, Key={"pk": {"S": "a"}})
    put(dynamodb, simple, "b", "again")
    put(dynamodb, simple, "c", "late")
    answer = dynamodb.restore_table_to_point_in_time(
        SourceTableName=simple, TargetTableName="then", RestoreDateTime=at(then)
    )
    assert answer["TableDescription"]["RestoreSummary"]["RestoreDateTime"] == at(then)
    assert "SourceBackupArn" not in answer["TableDescription"]["RestoreSummary"]
    assert marks(dynamodb, "then") == {"a": "changed", "b": "added"}
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=simple, TargetTableName="first", RestoreDateTime=at(then - 100)
    )
    assert marks(dynamodb, "first") == {"a": "before"}
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=simple, TargetTableName="now", UseLatestRestorableTime=True
    )
    assert marks(dynamodb, "now") == {"b": "again", "c": "late"}


def test_times_without_a_state_are_refused(cloud, dynamodb, simple):
    def code(**params):
        with pytest.raises(ClientError) as raised:
            dynamodb.restore_table_to_point_in_time(TargetTableName="again", **params)
        return raised.value.response["Error"]["Code"]

    now = cloud.clock.now()
    assert code(SourceTableName="absent", UseLatestRestorableTime=True) == "TableNotFoundException"
    unavailable = "PointInTimeRecoveryUnavailableException"
    assert code(SourceTableName=simple, RestoreDateTime=at(now)) == unavailable
    recover(dynamodb, simple)
    assert (
        code(SourceTableName=simple, RestoreDateTime=at(now - 60)) == "InvalidRestoreTimeException"
    )
    assert (
        code(SourceTableName=simple, RestoreDateTime=at(now + 60)) == "InvalidRestoreTimeException"
    )
    assert code(SourceTableName=simple) == "ValidationException"
    jump(cloud, 40 * 86_400)
    told = dynamodb.describe_continuous_backups(TableName=simple)["ContinuousBackupsDescription"]
    told = told["PointInTimeRecoveryDescription"]
    earliest = told["EarliestRestorableDateTime"].timestamp()
    assert earliest == pytest.approx(cloud.clock.now() - 35 * 86_400, abs=1)
    assert (
        code(SourceTableName=simple, RestoreDateTime=at(now + 60)) == "InvalidRestoreTimeException"
    )


def test_what_is_too_old_is_forgotten(cloud, dynamodb, simple):
    recover(dynamodb, simple)
    put(dynamodb, simple, "a", "old")
    jump(cloud, 36 * 86_400)
    put(dynamodb, simple, "a", "new")
    jump(cloud, 2 * 86_400)
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=simple,
        TargetTableName="again",
        RestoreDateTime=at(cloud.clock.now() - 10 * 86_400),
    )
    assert marks(dynamodb, "again") == {"a": "old"}


@pytest.mark.parametrize("seed", range(8))
def test_any_history_is_restored_to_any_moment(cloud, dynamodb, simple, seed):
    """Against the obvious: dictionaries copied at some moments."""
    random = Random(seed)
    recover(dynamodb, simple)
    model: dict[str, str] = {}
    moments: list[tuple[float, dict[str, str]]] = []
    for number in range(40):
        key = random.choice("abcdef")
        what = random.choice(["put", "put", "delete", "wait", "keep"])
        if what == "put":
            put(dynamodb, simple, key, str(number))
            model[key] = str(number)
        elif what == "delete":
            dynamodb.delete_item(TableName=simple, Key={"pk": {"S": key}})
            model.pop(key, None)
        else:
            cloud.advance(2)
            if what == "keep":
                moments.append((cloud.clock.now(), dict(model)))
                cloud.advance(2)
    for number, (then, wanted) in enumerate(moments):
        name = f"then{number}"
        dynamodb.restore_table_to_point_in_time(
            SourceTableName=simple, TargetTableName=name, RestoreDateTime=at(then)
        )
        assert marks(dynamodb, name) == wanted
    assert marks(dynamodb, simple) == model
