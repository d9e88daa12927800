"""Snapshots, backups, copies and the doctor by the command line, of a server that runs and of one that was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from click.testing import CliRunner, Result

from serein.cli.main import serein
from tests.running import RunningSerein

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[RunningSerein]:
    with RunningSerein(data) as running:
        yield running


def run(*arguments: object, code: int = 0) -> str:
    """What a command says."""
    environment = {"COLUMNS": "200", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    told = CliRunner(env=environment).invoke(serein, [str(one) for one in arguments])
    assert told.exit_code == code, told.output
    return told.output


def client(server: RunningSerein, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}),
    )


def fill(server: RunningSerein) -> None:
    """A bucket, a queue, a table, and something in each."""
    s3, sqs, dynamodb = (client(server, name) for name in ("s3", "sqs", "dynamodb"))
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="long", Body=b"x" * 200_000)
    s3.put_object(Bucket="bucket", Key="short", Body=b"x")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="first")
    dynamodb.create_table(
        TableName="users",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    dynamodb.put_item(TableName="users", Item={"pk": {"S": "ann"}, "age": {"N": "7"}})


def change(server: RunningSerein) -> None:
    """One of each thing added, changed and removed."""
    s3, dynamodb = client(server, "s3"), client(server, "dynamodb")
    s3.put_object(Bucket="bucket", Key="long", Body=b"y" * 200_000)
    s3.delete_object(Bucket="bucket", Key="short")
    dynamodb.put_item(TableName="users", Item={"pk": {"S": "ann"}, "age": {"N": "8"}})
    dynamodb.put_item(TableName="users", Item={"pk": {"S": "bob"}})


def test_snapshots_of_a_running_server(server: RunningSerein, data: Path, tmp_path: Path) -> None:
    fill(server)
    assert "Saved before" in run("snapshot", "save", "before", "--data", data)
    change(server)
    said = run("snapshot", "diff", "before", "--data", data)
    assert '~ DynamoDB item users {"pk":{"S":"ann"}}  (age)' in said
    assert '+ DynamoDB item users {"pk":{"S":"bob"}}' in said
    assert "~ S3 object bucket/long" in said
    assert "- S3 object bucket/short" in said
    assert "1 added, 1 removed, 2 changed" in said
    # While it runs (tests/flows/test_restore.py does it under load), and back, and with the server stopped.
    run("snapshot", "restore", "before", "--keep-as", "after", "--data", data)
    s3 = client(server, "s3")
    assert s3.get_object(Bucket="bucket", Key="short")["Body"].read() == b"x"
    run("snapshot", "restore", "after", "--data", data)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["long"]
    server.stop()
    run("snapshot", "restore", "before", "--data", data)
    server.start()
    s3 = client(server, "s3")
    assert s3.get_object(Bucket="bucket", Key="long")["Body"].read() == b"x" * 200_000
    assert s3.get_object(Bucket="bucket", Key="short")["Body"].read() == b"x"
    listed = run("snapshot", "list", "--data", data)
    assert "before" in listed
    assert "after" in listed
    run("snapshot", "branch", "after", tmp_path / "branch", "--data", data)
    with RunningSerein(tmp_path / "branch") as other:
        got = client(other, "s3").get_object(Bucket="bucket", Key="long")["Body"].read()
        assert got == b"y" * 200_000
        client(other, "s3").delete_object(Bucket="bucket", Key="long")
    assert s3.get_object(Bucket="bucket", Key="long")["Body"].read() == b"x" * 200_000
    assert "no snapshot nope" in run("snapshot", "diff", "nope", "--data", data, code=1)


def test_backups_to_a_directory_and_a_bucket(
    server: RunningSerein, data: Path, tmp_path: Path
) -> None:
    fill(server)
    with RunningSerein(None) as elsewhere:
        client(elsewhere, "s3").create_bucket(Bucket="backups")
        bucket = ("s3://backups/serein", "--endpoint-url", elsewhere.endpoint)
        folder = (tmp_path / "vault",)
        for number, vault in enumerate((folder, bucket)):
            assert "new: " in run("backup", *vault, "--data", data)
            assert "0 segments, 0 blobs" in run("backup", *vault, "--data", data)
            listed = run("backup", *vault, "--list")
            assert listed.count("blobs (") == 2
            restored = tmp_path / f"restored{number}"
            run("restore", *vault, "--data", restored)
            with RunningSerein(restored) as other:
                got = client(other, "s3").get_object(Bucket="bucket", Key="long")["Body"].read()
                assert got == b"x" * 200_000
                sqs = client(other, "sqs")
                url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
                assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "first"
            assert "not empty" in run("restore", *vault, "--data", restored, code=1)
            assert "Forgot 2 older" in run("backup", *vault, "--data", data, "--keep", "1")
    assert "no backup from so early" in run(
        "restore", *folder, "--at", "2001-01-01", "--data", tmp_path / "x", code=1
    )


def test_copies(server: RunningSerein, data: Path, tmp_path: Path) -> None:
    fill(server)
    server.stop()
    assert "Copied and verified" in run("store", "copy", data, tmp_path / "copy")
    assert "not empty" in run("store", "copy", data, tmp_path / "copy", code=1)
    assert "holds no data" in run("store", "copy", tmp_path / "none", tmp_path / "y", code=1)
    assert "no kind of store" in run("store", "copy", data, "redis://x", code=1)
    assert not (tmp_path / "none").exists()


def doctor(data: Path, *more: str) -> dict[str, list[str]]:
    """What the doctor says of the store, by level."""
    command = ["doctor", "--data", str(data), "--json", *more]
    told = CliRunner().invoke(serein, command)
    found: dict[str, list[str]] = {"ok": [], "warn": [], "bad": []}
    for line in told.stdout.splitlines():
        finding = json.loads(line)
        if finding["about"] == "store":
            found[finding["level"]].append(finding["said"])
    assert told.exit_code == (1 if '"bad"' in told.stdout else 0)
    return found


def test_the_doctor_finds_nothing_wrong(server: RunningSerein, data: Path, tmp_path: Path) -> None:
    fill(server)
    found = doctor(data)
    assert found["bad"] == []
    assert any("in use by a running Serein" in said for said in found["ok"])
    assert any("1 blobs, all there" in said for said in found["ok"])
    assert any("holds no data yet" in said for said in doctor(tmp_path / "none")["ok"])


def _blob(data: Path) -> Path:
    return next(path for path in (data / "blobs").glob("??/*") if len(path.name) == 32)


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_the_doctor_finds_what_was_harmed(server: RunningSerein, data: Path) -> None:
    fill(server)
    server.stop()
    _flip(_blob(data), 1000)
    assert any("s3.objects bucket/long: blob" in said for said in doctor(data)["bad"])
    _blob(data).unlink()
    assert any("missing: s3.objects bucket/long" in said for said in doctor(data)["bad"])
    content = (data / "store.sqlite").read_bytes()
    _flip(
        data / "store.sqlite",
        content.index(b"\xa3age") if b"\xa3age" in content else content.index(b'"age"'),
    )
    assert any("table dynamodb.items" in said for said in doctor(data)["bad"])
    assert not any("damaged" in said for said in doctor(data, "--quick")["bad"])
    (data / "store.sqlite").write_bytes(b"something else" * 1000)
    assert len(doctor(data)["bad"]) == 1
