"""POST /todos"""

import time
import uuid

from common import answer, body_of, owner_of, table


def handler(event, context):
    body = body_of(event)
    if not body or not isinstance(body.get("title"), str) or not body["title"].strip():
        return answer(400, {"message": "a to-do needs a title"})
    todo = {
        "owner": owner_of(event),
        "id": uuid.uuid4().hex[:12],
        "title": body["title"].strip(),
        "done": False,
        "created_at": int(time.time()),
    }
    table.put_item(Item=todo, ConditionExpression="attribute_not_exists(id)")
    return answer(201, todo)
