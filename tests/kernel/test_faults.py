"""Faults on purpose: they strike where they were set, under their seed, and nothing is in the way while none is set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serein.kernel.faults import Fault, Faults
from tests.cloud import Cloud


class Crashed(Exception):
    """In place of the end of the process."""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


@pytest.fixture
def faults(cloud: Cloud) -> Faults:
    return cloud.house.faults


@pytest.fixture
def sqs(cloud: Cloud) -> Any:
    return cloud.client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="q")["QueueUrl"])


def _code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def _count(sqs: Any, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def test_nothing_is_in_the_way_while_none_is_set(cloud: Cloud, faults: Faults) -> None:
    plain = vars(cloud.house.dispatch).copy()
    one = faults.add(Fault(service="sqs", kind="throttle"))
    assert vars(cloud.house.dispatch) != plain
    faults.clear([one.id])
    assert vars(cloud.house.dispatch) == plain


def test_an_error_strikes_its_operation_before_anything_is_done(
    faults: Faults, sqs: Any, url: str
) -> None:
    faults.add(Fault(service="sqs", operation="SendMessage", kind="error", times=2))
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            sqs.send_message(QueueUrl=url, MessageBody="x")
        assert _code(error) == ("InternalFailure", 500)
    assert _count(sqs, url) == 0
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert _count(sqs, url) == 1


def test_an_error_afterwards_leaves_the_work_done(faults: Faults, sqs: Any, url: str) -> None:
    faults.add(Fault(service="sqs", operation="SendMessage", kind="error", at="after"))
    with pytest.raises(ClientError):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    assert _count(sqs, url) == 1


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("dynamodb", "list_tables", ("ProvisionedThroughputExceededException", 400)),
        ("s3", "list_buckets", ("SlowDown", 503)),
        ("lambda", "list_functions", ("TooManyRequestsException", 429)),
        ("logs", "describe_log_groups", ("ThrottlingException", 400)),
        ("iam", "list_users", ("Throttling", 400)),
    ],
)
def test_throttling_is_in_each_services_words(
    cloud: Cloud, faults: Faults, service: str, call: str, expected: tuple[str, int]
) -> None:
    faults.add(Fault(service=service, kind="throttle"))
    with pytest.raises(ClientError) as error:
        getattr(cloud.client(service), call)()
    assert _code(error) == expected


def test_a_modelled_error_has_its_models_status(cloud: Cloud, faults: Faults) -> None:
    """botocore's model: lambda's ServiceException is a 500, ResourceConflictException a 409."""
    faults.add(Fault(service="lambda", kind="error", code="ServiceException", times=1))
    faults.add(Fault(service="lambda", kind="error", code="ResourceConflictException", skip=1))
    for expected in (("ServiceException", 500), ("ResourceConflictException", 409)):
        with pytest.raises(ClientError) as error:
            cloud.client("lambda").list_functions()
        assert _code(error) == expected


def test_latency_passes_time(cloud: Cloud, faults: Faults, sqs: Any, url: str) -> None:
    faults.add(Fault(service="sqs", operation="*Message", kind="latency", delay_s=3, at="after"))
    before = cloud.clock.now()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert cloud.clock.now() - before == pytest.approx(3)


def test_a_dropped_connection_ends_without_an_answer(faults: Faults, sqs: Any, url: str) -> None:
    faults.add(Fault(service="sqs", operation="SendMessage", kind="drop", at="after", times=1))
    with pytest.raises(asyncio.CancelledError):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    assert _count(sqs, url) == 1


def _history(seed: int) -> list[bool]:
    cloud = Cloud()
    try:
        cloud.house.faults.add(
            Fault(service="sqs", operation="ListQueues", kind="error", probability=0.3, seed=seed)
        )
        sqs = cloud.client("sqs")
        history = []
        for _ in range(40):
            try:
                sqs.list_queues()
                history.append(False)
            except ClientError:
                history.append(True)
        return history
    finally:
        cloud.close()


def test_a_seed_gives_the_same_history() -> None:
    first = _history(1)
    assert first == _history(1)
    assert first != _history(2)
    assert 4 <= sum(first) <= 22


@pytest.mark.parametrize(("at", "remains"), [("before", 0), ("commit", 0), ("after", 1)])
@pytest.mark.parametrize("operation", ["SendMessage", "PutObject"])
def test_a_crash_at_a_named_point(cloud: Cloud, at: Any, remains: int, operation: str) -> None:
    """SendMessage is a transaction by itself; PutObject waits and streams, and opens one on its way."""
    points: list[str] = []

    def crash() -> None:
        points.append("here")
        raise Crashed

    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    s3.create_bucket(Bucket="bucket")
    faults = Faults(cloud.house.dispatch, cloud.clock, crash)
    faults.add(Fault(operation=operation, kind="crash", at=at, times=1))
    with pytest.raises(ClientError):  # noqa: PT012 (one of two)
        if operation == "SendMessage":
            sqs.send_message(QueueUrl=url, MessageBody="x")
        else:
            s3.put_object(Bucket="bucket", Key="k", Body=b"x" * 100_000)
    assert points == ["here"]
    there = (
        _count(sqs, url)
        if operation == "SendMessage"
        else s3.list_objects_v2(Bucket="bucket")["KeyCount"]
    )
    assert there == remains


def test_the_houses_own_calls_can_be_told_from_clients(cloud: Cloud, faults: Faults) -> None:
    faults.add(Fault(service="sqs", operation="ListQueues", kind="error", callers="house"))
    cloud.client("sqs").list_queues()
    cx = cloud.context()
    with pytest.raises(Exception, match="A fault was set"):
        cloud.run(cx.call(cx.make_call("sqs", "ListQueues", {})))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"kind": "error", "probability": 0.0}, "above 0"),
        ({"kind": "error", "at": "commit"}, "Only a crash"),
        ({"kind": "latency"}, "Latency is above 0"),
        ({"kind": "latency", "delay_s": 5.0, "delay_s_max": 1.0}, "shorter"),
        ({"kind": "error", "status": 200}, "from 400 to 599"),
        ({"kind": "throttle", "times": 0}, "at least once"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Fault(**wrong)
