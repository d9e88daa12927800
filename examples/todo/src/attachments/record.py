"""Reads what the bucket told the queue, and records size and SHA-256 of each attachment in the table.

Keys are <owner>/<todo id>/<file name>. A message that fails is reported alone; after three tries it goes to the
dead-letter queue.
"""

import hashlib
import json
import os
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):
    failures = []
    for message in event["Records"]:
        try:
            for record in json.loads(message["body"]).get("Records", []):
                remember(
                    record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
                )
        except Exception as error:
            print(f"message {message['messageId']} failed: {error!r}")
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def remember(bucket, key):
    owner, todo, name = key.split("/", 2)
    digest, size = hashlib.sha256(), 0
    for chunk in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
        digest.update(chunk)
        size += len(chunk)
    table.update_item(
        Key={"owner": owner, "id": todo},
        UpdateExpression="SET attachment = :a",
        ConditionExpression="attribute_exists(id)",
        ExpressionAttributeValues={
            ":a": {"name": name, "size": size, "sha256": digest.hexdigest()}
        },
    )
    print(f"recorded {key}: {size} bytes")
