"""Imports from S3 into new tables.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Format.html
"""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard
from botocore.exceptions import ClientError

from serein.services.dynamodb.rules.item_formats import ion_line
from tests.services.dynamodb.conftest import PER_REQUEST, definitions, schema
from tests.services.dynamodb.test_restores import put, recover


@pytest.fixture
def s3(cloud):
    client = cloud.client("s3")
    client.create_bucket(Bucket="imports")
    return client


def run(cloud, dynamodb, format, compression="NONE", types=None, **params):
    table = {
        "TableName": "made",
        "AttributeDefinitions": types or definitions(pk="S"),
        "KeySchema": schema("pk"),
        **PER_REQUEST,
    }
    made = dynamodb.import_table(
        S3BucketSource={"S3Bucket": "imports", "S3KeyPrefix": "data/"},
        InputFormat=format,
        InputCompressionType=compression,
        TableCreationParameters=table,
        **params,
    )["ImportTableDescription"]
    assert made["ImportStatus"] == "IN_PROGRESS"
    cloud.settle()
    return dynamodb.describe_import(ImportArn=made["ImportArn"])["ImportTableDescription"]


def items(dynamodb):
    found = dynamodb.scan(TableName="made")["Items"]
    return sorted(found, key=lambda item: sorted(item["pk"].values()))


LINES = [{"Item": {"pk": {"S": f"k{n}"}, "n": {"N": str(n)}}} for n in range(3)]
JSON = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
PACKED = {
    "NONE": JSON,
    "GZIP": gzip.compress(JSON),
    "ZSTD": zstandard.compress(JSON),
}


@pytest.mark.parametrize("compression", list(PACKED))
def test_dynamodb_json(cloud, dynamodb, s3, compression):
    s3.put_object(Bucket="imports", Key="data/one", Body=PACKED[compression])
    s3.put_object(Bucket="imports", Key="elsewhere", Body=b"no")
    told = run(cloud, dynamodb, "DYNAMODB_JSON", compression)
    assert told["ImportStatus"] == "COMPLETED"
    assert (told["ProcessedItemCount"], told["ImportedItemCount"], told["ErrorCount"]) == (3, 3, 0)
    assert told["ProcessedSizeBytes"] == len(PACKED[compression])
    assert items(dynamodb) == [line["Item"] for line in LINES]
    assert dynamodb.describe_table(TableName="made")["Table"]["TableStatus"] == "ACTIVE"


def test_what_is_no_item_is_counted(cloud, dynamodb, s3):
    bad = [
        b"not json",
        b'{"Item": {"other": {"S": "no key"}}}',
        b'{"Item": {"pk": {"N": "1"}}}',
        b'{"Item": {"pk": {"S": ""}}}',
        b'{"Item": {"pk": {"S": "x"}, "n": {"N": "one"}}}',
        b'{"Item": {"pk": "x"}}',
        b"[]",
    ]
    s3.put_object(Bucket="imports", Key="data/one", Body=JSON + b"\n".join(bad))
    told = run(cloud, dynamodb, "DYNAMODB_JSON")
    assert told["ImportStatus"] == "COMPLETED"
    assert (told["ProcessedItemCount"], told["ImportedItemCount"]) == (3 + len(bad), 3)
    assert told["ErrorCount"] == len(bad)


def test_csv(cloud, dynamodb, s3):
    text = 'pk;n;text\n1;2;"two\nlines"\n2;;plain\n'
    s3.put_object(Bucket="imports", Key="data/one.csv", Body=text.encode())
    told = run(
        cloud,
        dynamodb,
        "CSV",
        types=definitions(pk="N"),
        InputFormatOptions={"Csv": {"Delimiter": ";"}},
    )
    assert told["ErrorCount"] == 0
    assert items(dynamodb) == [
        {"pk": {"N": "1"}, "n": {"S": "2"}, "text": {"S": "two\nlines"}},
        {"pk": {"N": "2"}, "text": {"S": "plain"}},
    ]


def test_csv_with_a_header_given(cloud, dynamodb, s3):
    s3.put_object(Bucket="imports", Key="data/one.csv", Body=b"a,1\nb,2\n")
    run(cloud, dynamodb, "CSV", InputFormatOptions={"Csv": {"HeaderList": ["pk", "n"]}})
    assert items(dynamodb) == [
        {"pk": {"S": "a"}, "n": {"S": "1"}},
        {"pk": {"S": "b"}, "n": {"S": "2"}},
    ]


def test_ion(cloud, dynamodb, s3):
    body = b"".join(ion_line(line) for line in LINES)
    s3.put_object(Bucket="imports", Key="data/one.ion", Body=body)
    told = run(cloud, dynamodb, "ION")
    assert told["ImportedItemCount"] == 3
    assert items(dynamodb) == [line["Item"] for line in LINES]


def test_an_export_can_be_imported(cloud, dynamodb, simple, s3):
    recover(dynamodb, simple)
    for number in range(30):
        put(dynamodb, simple, f"k{number}", "x")
    arn = dynamodb.describe_table(TableName=simple)["Table"]["TableArn"]
    export = dynamodb.export_table_to_point_in_time(TableArn=arn, S3Bucket="imports")
    cloud.settle()
    folder = export["ExportDescription"]["ExportArn"].rpartition("/")[2]
    dynamodb.import_table(
        S3BucketSource={"S3Bucket": "imports", "S3KeyPrefix": f"AWSDynamoDB/{folder}/data/"},
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters={
            "TableName": "made",
            "AttributeDefinitions": definitions(pk="S"),
            "KeySchema": schema("pk"),
            **PER_REQUEST,
        },
    )
    cloud.settle()
    assert dynamodb.scan(TableName="made")["Items"] == dynamodb.scan(TableName=simple)["Items"]
    (listed,) = dynamodb.list_imports()["ImportSummaryList"]
    assert listed["ImportStatus"] == "COMPLETED"


def test_a_missing_bucket_fails_the_import(cloud, dynamodb):
    told = run(cloud, dynamodb, "DYNAMODB_JSON")
    assert told["ImportStatus"] == "FAILED"
    assert told["FailureCode"] == "S3NoSuchBucket"


def test_a_table_that_is_there_is_not_imported_into(dynamodb, simple):
    with pytest.raises(ClientError, match="ResourceInUseException"):
        dynamodb.import_table(
            S3BucketSource={"S3Bucket": "imports"},
            InputFormat="DYNAMODB_JSON",
            TableCreationParameters={
                "TableName": simple,
                "AttributeDefinitions": definitions(pk="S"),
                "KeySchema": schema("pk"),
                **PER_REQUEST,
            },
        )
