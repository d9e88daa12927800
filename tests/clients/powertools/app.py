"""Payments that are made once, jobs and changes of which some fail."""

import os
import uuid

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent,
)

logger = Logger()
tracer = Tracer()
metrics = Metrics()
payments = boto3.resource("dynamodb").Table(os.environ["PAYMENTS_TABLE"])
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(event_key_jmespath="order", raise_on_no_idempotency_key=True)
jobs = BatchProcessor(event_type=EventType.SQS)
changes = BatchProcessor(event_type=EventType.DynamoDBStreams)


def note(id: str) -> None:
    payments.update_item(
        Key={"id": id}, UpdateExpression="ADD times :one", ExpressionAttributeValues={":one": 1}
    )


@logger.inject_lambda_context(log_event=True)
@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler
@idempotent(persistence_store=persistence, config=config)
def pay(event, context):
    if event.get("fail"):
        raise RuntimeError("the bank is closed")
    note(event["order"])
    metrics.add_metric(name="Paid", unit=MetricUnit.Count, value=1)
    logger.info("paid", extra={"order": event["order"]})
    return {"payment": str(uuid.uuid4())}


def do_job(record):
    if record.body == "poison":
        raise ValueError("not this one")
    note(f"job-{record.body}")


def follow_change(record):
    image = record.dynamodb.new_image
    if image["id"] == "bad":
        raise ValueError("not this one")
    note(f"change-{image['id']}")


def work(event, context):
    return process_partial_response(
        event=event, record_handler=do_job, processor=jobs, context=context
    )


def follow(event, context):
    return process_partial_response(
        event=event, record_handler=follow_change, processor=changes, context=context
    )
