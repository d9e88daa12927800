"""What the five functions share: the table, the caller's name, and answers."""

import base64
import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def owner_of(event):
    """Whose to-do list it is. A real service would take it from a token; here a header will do."""
    return event.get("headers", {}).get("x-user", "me")


def body_of(event):
    """The request's JSON body as a dict, or None when it is no JSON object.

    What does not come as JSON or text (curl -d says it is a form) is handed over in base64.
    """
    text = event.get("body") or "{}"
    try:
        body = json.loads(base64.b64decode(text) if event.get("isBase64Encoded") else text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def answer(status, value=None):
    """An HTTP answer with a JSON body."""
    if value is None:
        return {"statusCode": status}
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        # boto3 gives numbers as Decimal; the table has whole ones only.
        "body": json.dumps(value, default=int),
    }
