"""DELETE /todos/{id}"""

from common import answer, owner_of, table


def handler(event, context):
    table.delete_item(Key={"owner": owner_of(event), "id": event["pathParameters"]["id"]})
    return answer(204)
