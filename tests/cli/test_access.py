"""`serein why` and `serein policy` against a real `serein up`, and `--auth record`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from serein.cli.main import serein
from serein.engines.policy import parse_policy
from tests.running import RunningSerein

Run = Callable[..., Result]
STATEMENTS = [
    {"Sid": "Own", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/${aws:username}/*"},
    {"Sid": "NoQueues", "Effect": "Deny", "Action": "sqs:*", "Resource": "*", "Condition": {"StringEquals": {"aws:username": "ann"}}},
]  # fmt: skip


class Place:
    """A server with a bucket, and a user who may little."""

    def __init__(self, *options: str, data: Path | None = None) -> None:
        self.running = RunningSerein(data, *options)

    def open(self) -> Place:
        self.running.start()
        iam = self.client("iam")
        iam.create_user(UserName="ann")
        document = json.dumps({"Version": "2012-10-17", "Statement": STATEMENTS})
        iam.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=document)
        self.keys = iam.create_access_key(UserName="ann")["AccessKey"]
        self.client("s3").create_bucket(Bucket="photos")
        self.client("s3").put_object(Bucket="photos", Key="bob/1", Body=b"x")
        return self

    def client(self, service: str, keys: dict[str, str] | None = None) -> Any:
        key, secret = ("test", "test") if keys is None else (keys["AccessKeyId"], keys["SecretAccessKey"])  # fmt: skip
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return boto3.client(
            service,
            endpoint_url=self.running.endpoint,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=config,
        )

    def run(self, *arguments: str, keys: dict[str, str] | None = None, **more: Any) -> Result:
        environment = {"AWS_ENDPOINT_URL": self.running.endpoint, "AWS_REGION": "us-east-1"}
        if keys is not None:
            environment["AWS_ACCESS_KEY_ID"] = keys["AccessKeyId"]
            environment["AWS_SECRET_ACCESS_KEY"] = keys["SecretAccessKey"]
        return CliRunner(env=environment).invoke(serein, list(arguments), **more)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    made = Place().open()
    yield made
    made.running.stop()


def read_bobs(place: Place) -> str:
    with pytest.raises(ClientError) as caught:
        place.client("s3", place.keys).get_object(Bucket="photos", Key="bob/1")
    return str(caught.value.response["ResponseMetadata"]["RequestId"])


def test_why_the_last(place: Place) -> None:
    read_bobs(place)
    told = place.run("why")
    assert told.exit_code == 0, told.output
    assert "Refused: s3:GetObject" in told.output
    assert "Why: no identity-based policy allows it." in told.output
    assert 'identity-based policy own, statement 1 "Own"' in told.output
    assert 'Resource "arn:aws:s3:::photos/${aws:username}/*" does not match' in told.output
    assert '"Resource": "arn:aws:s3:::photos/bob/1"' in told.output


def test_why_a_request(place: Place) -> None:
    request_id = read_bobs(place)
    with pytest.raises(ClientError):
        place.client("sqs", place.keys).list_queues()
    told = place.run("why", request_id)
    assert told.exit_code == 0, told.output
    assert request_id in told.output
    denied = place.run("why", "--by", "ann")
    assert "Why: an explicit deny in an identity-based policy." in denied.output
    assert "Condition StringEquals aws:username = ann holds: the request has ann" in denied.output
    assert 'narrow or remove statement "NoQueues" of own' in denied.output
    [refusal] = json.loads(place.run("why", "--json", "--by", "ann").output)
    assert refusal["decoded"]["explicitDeny"] is True


def test_why_nothing(place: Place) -> None:
    told = place.run("why", "no-such-request")
    assert told.exit_code == 1
    assert told.output.startswith("Error: No refusal of request no-such-request is remembered")


def test_not_for_everybody(place: Place) -> None:
    told = place.run("why", keys=place.keys)
    assert told.exit_code == 1
    assert "not authorized to perform: sts:DecodeAuthorizationMessage" in told.output


def test_suggest(place: Place) -> None:
    read_bobs(place)
    told = place.run("policy", "suggest", "user/ann")
    assert told.exit_code == 0, told.output
    document = told.stdout
    allowed = {action for s in json.loads(document)["Statement"] for action in s["Action"]}
    assert "s3:GetObject" in allowed
    parse_policy(document, "identity")
    listed = place.run("policy", "suggest", "user/ann", "--needs")
    assert "refused  s3:GetObject  arn:aws:s3:::photos/bob/1" in listed.output


def test_suggest_for_who_has_done_nothing(place: Place) -> None:
    told = place.run("policy", "suggest", "nobody")
    assert told.exit_code == 1
    assert "arn:aws:iam::000000000000:role/nobody has asked for nothing" in told.output


def test_check(place: Place, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps({"Version": "2012-10-17", "Statement": STATEMENTS}))
    bad.write_text(json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3", "Resource": "*"}}))  # fmt: skip
    assert place.run("policy", "check", str(good)).output == "A valid identity policy with 2 statements.\n"  # fmt: skip
    told = place.run("policy", "check", str(bad))
    assert told.exit_code == 1
    assert "Error: Actions/Conditions must be prefaced by a vendor" in told.output
    assert place.run("policy", "check", "-", "--kind", "trust", input="{").exit_code == 1
    assert place.run("policy", "check", str(tmp_path / "none.json")).exit_code == 1


def test_record_mode_lets_pass_and_learns() -> None:
    place = Place("--auth", "record").open()
    try:
        body = place.client("s3", place.keys).get_object(Bucket="photos", Key="bob/1")["Body"]
        assert body.read() == b"x"
        place.client("sqs", place.keys).list_queues()
        told = place.run("why", "-n", "5")
        assert told.output.count("Would be refused (recorded)") == 2
        suggested = json.loads(place.run("policy", "suggest", "user/ann").stdout)
        actions = {action for s in suggested["Statement"] for action in s["Action"]}
        assert actions == {"s3:GetObject", "sqs:ListQueues"}
        wrong = {**place.keys, "SecretAccessKey": "wrong"}
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            place.client("s3", wrong).list_buckets()
    finally:
        place.running.stop()


def test_every_process_tells_of_all_refusals_and_so_does_the_next_life(tmp_path: Path) -> None:
    place = Place("--workers", "2", data=tmp_path / "data").open()
    try:
        requests = [read_bobs(place) for _ in range(8)]
        for _ in range(3):  # whichever process answers
            told = json.loads(place.run("why", "-n", "20", "--json").output)
            assert {each["request_id"] for each in told} >= set(requests)
        place.running.stop()
        place.running.start()
        assert requests[0] in place.run("why", requests[0]).output
        assert "s3:GetObject" in place.run("policy", "suggest", "user/ann").stdout
    finally:
        place.running.stop()
