"""TagQueue, UntagQueue, ListQueueTags."""

from __future__ import annotations

from typing import Any

from tests.services.sqs.conftest import refusal


def test_tags(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="q", tags={"Environment": "Production"})["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={"Department": "Finance"})
    both = {"Department": "Finance", "Environment": "Production"}
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == both
    sqs.untag_queue(QueueUrl=url, TagKeys=["Department", "none"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"Environment": "Production"}
    sqs.delete_queue(QueueUrl=url)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=url)


def test_limits(sqs: Any, queue: str) -> None:
    many = {f"k{n}": "v" for n in range(51)}
    assert refusal(sqs.tag_queue, QueueUrl=queue, Tags=many) == (
        "InvalidParameterValue",
        "Too many tags added for queue orders.",
    )
    assert refusal(sqs.tag_queue, QueueUrl=queue, Tags={})[0] == "MissingParameter"
    assert refusal(sqs.tag_queue, QueueUrl=queue, Tags={"aws:x": "v"})[0] == "InvalidParameterValue"
    assert refusal(sqs.untag_queue, QueueUrl=queue, TagKeys=[])[0] == "InvalidParameterValue"
