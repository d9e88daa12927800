"""Exports to S3: the whole table at a moment, or what changed in a window.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from serein.services.dynamodb.rules.item_formats import ion_items
from tests.services.dynamodb.test_restores import put, recover


@pytest.fixture
def s3(cloud):
    client = cloud.client("s3")
    client.create_bucket(Bucket="exports")
    return client


def arn_of(dynamodb, table):
    return dynamodb.describe_table(TableName=table)["Table"]["TableArn"]


def run(cloud, dynamodb, **params):
    made = dynamodb.export_table_to_point_in_time(S3Bucket="exports", **params)["ExportDescription"]
    assert made["ExportStatus"] == "IN_PROGRESS"
    cloud.settle()
    return dynamodb.describe_export(ExportArn=made["ExportArn"])["ExportDescription"]


def read(s3, key):
    return s3.get_object(Bucket="exports", Key=key)["Body"].read()


def lines(s3, export):
    """The lines of all data files, which the manifests lead to and vouch for."""
    summary = json.loads(read(s3, export["ExportManifest"]))
    found = []
    count = 0
    for line in read(s3, summary["manifestFilesS3Key"]).splitlines():
        entry = json.loads(line)
        data = read(s3, entry["dataFileS3Key"])
        assert base64.b64encode(hashlib.md5(data).digest()).decode() == entry["md5Checksum"]
        found += gzip.decompress(data).splitlines()
        count += entry["itemCount"]
    assert count == summary["itemCount"] == export["ItemCount"]
    return summary, found


def test_a_full_export(cloud, dynamodb, simple, s3):
    recover(dynamodb, simple)
    put(dynamodb, simple, "a", "old")
    put(dynamodb, simple, "b", "old")
    cloud.advance(60)
    then = datetime.fromtimestamp(int(cloud.clock.now()), UTC)
    cloud.advance(60)
    put(dynamodb, simple, "a", "new")
    export = run(
        cloud,
        dynamodb,
        TableArn=arn_of(dynamodb, simple),
        S3Prefix="some/where",
        ExportTime=then,
        ExportFormat="DYNAMODB_JSON",
    )
    assert export["ExportStatus"] == "COMPLETED"
    assert export["ExportTime"] == then
    assert export["ExportManifest"].startswith("some/where/AWSDynamoDB/0")
    summary, found = lines(s3, export)
    assert summary["version"] == "2020-06-30"
    assert summary["exportType"] == "FULL_EXPORT"
    # In the order of a Scan, which says nothing.
    exported = sorted(
        (json.loads(line)["Item"] for line in found), key=lambda item: item["pk"]["S"]
    )
    assert exported == [{"pk": {"S": name}, "mark": {"S": "old"}} for name in "ab"]
    listed = dynamodb.list_exports(TableArn=arn_of(dynamodb, simple))["ExportSummaries"]
    assert [one["ExportArn"] for one in listed] == [export["ExportArn"]]


def test_an_export_in_ion(cloud, dynamodb, simple, s3):
    recover(dynamodb, simple)
    item = {
        "pk": {"S": "a"},
        "n": {"N": "12.5"},
        "set": {"SS": ["x", "y"]},
        "map": {"M": {"list": {"L": [{"BOOL": True}, {"NULL": True}, {"B": b"\0\1"}]}}},
    }
    dynamodb.put_item(TableName=simple, Item=item)
    export = run(cloud, dynamodb, TableArn=arn_of(dynamodb, simple), ExportFormat="ION")
    _, found = lines(s3, export)
    (back,) = ion_items(found[0])
    item["map"]["M"]["list"]["L"][2] = {"B": "AAE="}
    assert back == item


def test_an_incremental_export(cloud, dynamodb, simple, s3):
    recover(dynamodb, simple)
    for key in "abc":
        put(dynamodb, simple, key, "old")
    cloud.advance(60)
    begin = int(cloud.clock.now())
    cloud.advance(60)
    put(dynamodb, simple, "a", "passing")
    put(dynamodb, simple, "a", "changed")
    put(dynamodb, simple, "d", "added")
    put(dynamodb, simple, "e", "passing")
    dynamodb.delete_item(TableName=simple, Key={"pk": {"S": "e"}})
    cloud.advance(60)
    dynamodb.delete_item(TableName=simple, Key={"pk": {"S": "b"}})
    cloud.advance(1200)
    until = int(cloud.clock.now())
    cloud.advance(60)
    put(dynamodb, simple, "a", "late")
    put(dynamodb, simple, "c", "late")
    window = {
        "ExportFromTime": datetime.fromtimestamp(begin, UTC),
        "ExportToTime": datetime.fromtimestamp(until, UTC),
    }
    export = run(
        cloud,
        dynamodb,
        TableArn=arn_of(dynamodb, simple),
        ExportType="INCREMENTAL_EXPORT",
        IncrementalExportSpecification=window,
    )
    summary, found = lines(s3, export)
    assert summary["version"] == "2023-08-01"
    assert summary["outputView"] == "NEW_AND_OLD_IMAGES"
    told = {}
    for line in map(json.loads, found):
        assert begin * 10**6 <= int(line["Metadata"]["WriteTimestampMicros"]["N"]) < until * 10**6
        images = line.get("OldImage", {}), line.get("NewImage", {})
        told[line["Keys"]["pk"]["S"]] = tuple(image.get("mark", {}).get("S") for image in images)
    assert told == {"a": ("old", "changed"), "b": ("old", None), "d": (None, "added")}


def test_a_missing_bucket_fails_the_export(cloud, dynamodb, simple):
    recover(dynamodb, simple)
    export = run(cloud, dynamodb, TableArn=arn_of(dynamodb, simple))
    assert export["ExportStatus"] == "FAILED"
    assert export["FailureCode"] == "S3NoSuchBucket"


def test_exports_need_recovery_and_a_time_within_it(cloud, dynamodb, simple, s3):
    def code(**params):
        with pytest.raises(ClientError) as raised:
            dynamodb.export_table_to_point_in_time(S3Bucket="exports", **params)
        return raised.value.response["Error"]["Code"]

    arn = arn_of(dynamodb, simple)
    assert code(TableArn=arn) == "PointInTimeRecoveryUnavailableException"
    assert code(TableArn=arn + "x") == "TableNotFoundException"
    recover(dynamodb, simple)
    early = datetime.fromtimestamp(cloud.clock.now() - 60, UTC)
    assert code(TableArn=arn, ExportTime=early) == "InvalidExportTimeException"
    assert code(TableArn=arn, ExportType="INCREMENTAL_EXPORT") == "ValidationException"
    with pytest.raises(ClientError, match="ExportNotFoundException"):
        dynamodb.describe_export(ExportArn=arn + "/export/01234567890123-a1b2c3d4")


def test_the_same_token_is_the_same_export(cloud, dynamodb, simple, s3):
    recover(dynamodb, simple)
    arn = arn_of(dynamodb, simple)
    first = run(cloud, dynamodb, TableArn=arn, ClientToken="one")
    again = dynamodb.export_table_to_point_in_time(
        S3Bucket="exports", TableArn=arn, ClientToken="one"
    )["ExportDescription"]
    assert again["ExportArn"] == first["ExportArn"]
    with pytest.raises(ClientError, match="ExportConflictException"):
        dynamodb.export_table_to_point_in_time(
            S3Bucket="exports", TableArn=arn, ClientToken="one", S3Prefix="other"
        )
