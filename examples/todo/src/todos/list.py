"""GET /todos"""

from boto3.dynamodb.conditions import Key
from common import answer, owner_of, table


def handler(event, context):
    page = table.query(KeyConditionExpression=Key("owner").eq(owner_of(event)))
    return answer(200, {"todos": page["Items"]})
