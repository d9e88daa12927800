"""`serein clock` on a running server: what is timed comes when the clock is moved, and comes in its order."""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from serein.cli.main import serein
from tests.running import RunningSerein

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSerein]:
    with RunningSerein(None) as server:
        yield server


def _client(running: RunningSerein, service: str, **credentials: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", **credentials}
    return boto3.client(
        service,
        endpoint_url=running.endpoint,
        region_name="us-east-1",
        config=Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            # boto3 signs S3's URLs by version 2 by default, which do not say when they were signed.
            signature_version="s3v4" if service == "s3" else None,
        ),
        **keys,
    )


@pytest.fixture
def clock(running: RunningSerein) -> Run:
    def run(*arguments: str) -> Result:
        environment = {"AWS_ENDPOINT_URL": running.endpoint}
        return CliRunner(env=environment).invoke(serein, ["clock", *arguments])

    return run


def test_a_message_is_seen_again_after_its_visibility_timeout(
    running: RunningSerein, clock: Run
) -> None:
    sqs = _client(running, "sqs")
    url = sqs.create_queue(QueueName="seen", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="once")
    assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    told = clock("advance", "2h")
    assert told.exit_code == 0
    assert "ahead of the real time" in told.output
    assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1


def test_timers_ring_in_their_order_on_a_long_way(running: RunningSerein, clock: Run) -> None:
    """An hour of delay, then a day of retention: moved on by two hours at once, the message has not been skipped."""
    sqs = _client(running, "sqs")
    url = sqs.create_queue(QueueName="delayed", Attributes={"MessageRetentionPeriod": "86400"})[
        "QueueUrl"
    ]
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    assert clock("advance", "20m").exit_code == 0
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"][0]["Body"] == "later"
    assert clock("advance", "25h").exit_code == 0
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_signed_urls_and_sessions_expire_and_new_ones_hold(
    running: RunningSerein, clock: Run
) -> None:
    # Open mode checks nobody it does not know, so this signs with a key that IAM knows.
    user = _client(running, "iam").create_user(UserName="ann")["User"]["UserName"]
    key = _client(running, "iam").create_access_key(UserName=user)["AccessKey"]
    keys = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    _client(running, "iam").put_user_policy(UserName=user, PolicyName="all", PolicyDocument=policy)
    s3 = _client(running, "s3", **keys)
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="k", Body=b"content")
    session = _client(running, "sts", **keys).get_session_token(DurationSeconds=3600)["Credentials"]
    old = s3.generate_presigned_url("get_object", {"Bucket": "signed", "Key": "k"}, ExpiresIn=3600)
    with urllib.request.urlopen(old) as answer:
        assert answer.read() == b"content"
    # The clock has to have moved after the URL's second.
    assert clock("advance", "2h").exit_code == 0
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(old)
    # Requests are still signed by the client's own clock.
    assert s3.get_object(Bucket="signed", Key="k")["Body"].read() == b"content"
    with pytest.raises(ClientError, match="ExpiredToken"):
        _client(
            running,
            "sqs",
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        ).list_queues()


SOURCE = """
import boto3

def handler(event, context):
    print("called")
    return [boto3.client("sts").get_caller_identity()["Account"], context.get_remaining_time_in_millis()]
"""


def test_a_function_has_credentials_time_and_log_as_the_clock_moves(
    running: RunningSerein, clock: Run
) -> None:
    iam, functions, logs = (_client(running, name) for name in ("iam", "lambda", "logs"))
    trusts = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**trusts, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(document))["Role"]
    iam.attach_role_policy(
        RoleName="runs",
        PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("app.py", SOURCE)
    functions.create_function(
        FunctionName="late",
        Runtime="python3.11",
        Role=role["Arn"],
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=20,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="late")
    for advance in ("0s", "13h"):
        assert clock("advance", advance).exit_code == 0
        answer = functions.invoke(FunctionName="late")
        account, left_ms = json.loads(answer["Payload"].read())
        assert account == "000000000000"
        # A function's time limit is real time.
        assert 0 < left_ms <= 20_000
    until = time.monotonic() + 10
    called: list[int] = []
    while len(called) < 2 and time.monotonic() < until:
        try:
            events = logs.filter_log_events(logGroupName="/aws/lambda/late", filterPattern="called")
        except logs.exceptions.ResourceNotFoundException:
            continue
        called = [event["timestamp"] for event in events["events"]]
    assert called[1] - called[0] >= 13 * 3_600_000


def test_a_long_poll_ends_while_time_stands_still(running: RunningSerein, clock: Run) -> None:
    sqs = _client(running, "sqs")
    url = sqs.create_queue(QueueName="quiet")["QueueUrl"]
    assert "standing still" in clock("freeze").output
    began = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert 0.9 < time.monotonic() - began < 10
    assert "standing still" not in clock("resume").output


def test_reset_takes_the_clock_back(running: RunningSerein, clock: Run) -> None:
    assert clock("advance", "30d").exit_code == 0
    request = urllib.request.Request(f"{running.endpoint}/_serein/reset", method="POST")
    with urllib.request.urlopen(request):
        pass
    assert "ahead" not in clock("show").output


@pytest.mark.parametrize("arguments", [(), ("1h", "--to", "2030-01-01")])
def test_advance_wants_one_of_two(clock: Run, arguments: tuple[str, ...]) -> None:
    assert clock("advance", *arguments).exit_code == 2


def test_it_never_goes_back(clock: Run) -> None:
    told = clock("advance", "--to", "2001-01-01")
    assert told.exit_code == 1
    assert "only moves on" in told.output


def test_how_it_stands_outlives_a_restart(tmp_path: Path) -> None:
    runner = CliRunner()
    server = RunningSerein(tmp_path / "data", "--dev")
    with server:
        said = runner.invoke(
            serein, ["clock", "advance", "10d", "--endpoint", server.endpoint]
        ).output
        assert "ahead" in said
    with server:
        said = runner.invoke(serein, ["clock", "show", "--endpoint", server.endpoint]).output
        assert "9 d 23 h" in said or "10 d" in said


def test_without_development_it_is_refused(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as server:
        told = CliRunner().invoke(serein, ["clock", "advance", "1h", "--endpoint", server.endpoint])
    assert told.exit_code == 1
    assert "Start Serein with --dev" in told.output


def test_strict_mode_wants_a_signature_that_iam_knows() -> None:
    with RunningSerein(None, "--auth", "strict", "--dev") as server:
        told = CliRunner().invoke(serein, ["clock", "advance", "1h", "--endpoint", server.endpoint])
        request = urllib.request.Request(
            f"{server.endpoint}/_serein/clock", data=b'{"frozen": true}', method="POST"
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
    assert told.exit_code == 1


def test_strict_mode_lets_an_administrator_and_nobody_else(tmp_path: Path) -> None:
    keys: dict[str, dict[str, str]] = {}
    with RunningSerein(tmp_path / "data") as server:
        iam = _client(server, "iam")
        for name, action in (("admin", "*"), ("reader", "serein:DescribeClock")):
            iam.create_user(UserName=name)
            policy = (
                '{"Version":"2012-10-17","Statement":'
                f'[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}'
            )
            iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=policy)
            made = iam.create_access_key(UserName=name)["AccessKey"]
            keys[name] = {
                "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            }

    def ask(server: RunningSerein, name: str, *arguments: str) -> Result:
        environment = {**keys[name], "AWS_ENDPOINT_URL": server.endpoint}
        return CliRunner(env=environment).invoke(serein, ["clock", *arguments])

    with RunningSerein(tmp_path / "data", "--auth", "strict", "--dev") as server:
        assert ask(server, "admin", "advance", "1h").exit_code == 0
        assert "ahead of the real time" in ask(server, "reader", "show").output
        refused = ask(server, "reader", "advance", "1h")
        assert refused.exit_code == 1
        assert "is not authorized to perform: serein:MoveClock" in refused.output
        keys["admin"]["AWS_SECRET_ACCESS_KEY"] = "wrong"
        assert ask(server, "admin", "show").exit_code == 1
    with RunningSerein(tmp_path / "data", "--auth", "strict") as server:
        assert "next timer" not in ask(server, "reader", "show").output
