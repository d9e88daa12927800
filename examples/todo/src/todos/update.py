"""PUT /todos/{id}: title and done"""

from botocore.exceptions import ClientError
from common import answer, body_of, owner_of, table

ALLOWED = {"title": str, "done": bool}


def handler(event, context):
    body = body_of(event)
    if not body or any(not isinstance(body[k], t) for k, t in ALLOWED.items() if k in body):
        return answer(400, {"message": "send title (text) or done (true or false)"})
    changes = {key: body[key] for key in ALLOWED if key in body}
    if not changes:
        return answer(400, {"message": "nothing to change"})
    try:
        updated = table.update_item(
            Key={"owner": owner_of(event), "id": event["pathParameters"]["id"]},
            UpdateExpression="SET " + ", ".join(f"#{key} = :{key}" for key in changes),
            ExpressionAttributeNames={f"#{key}": key for key in changes},
            ExpressionAttributeValues={f":{key}": value for key, value in changes.items()},
            ConditionExpression="attribute_exists(id)",
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return answer(404, {"message": "no such to-do"})
    return answer(200, updated["Attributes"])
