"""GET /todos/{id}"""

from common import answer, owner_of, table


def handler(event, context):
    key = {"owner": owner_of(event), "id": event["pathParameters"]["id"]}
    todo = table.get_item(Key=key).get("Item")
    return answer(200, todo) if todo else answer(404, {"message": "no such to-do"})
