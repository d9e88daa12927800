"""The numbers of the protocol: methods, request and answer members, functions of expressions, enumerations."""

from __future__ import annotations

from collections.abc import Mapping

MAGIC = "J7yne5G"
"""What a connection begins with, as a CBOR text."""
SERVICE = 1
"""What every request begins with, before its method."""

AUTHORIZE = 1489122155
ENDPOINTS = 455855874
DEFINE_KEY_SCHEMA = -742646399
DEFINE_ATTRIBUTE_LIST = 670678385
DEFINE_ATTRIBUTE_LIST_ID = -1230579644
GET_ITEM = 263244906
PUT_ITEM = -2106490455
UPDATE_ITEM = 1425579023
DELETE_ITEM = 1013539361
QUERY = -931250863
SCAN = -1875390620
BATCH_GET_ITEM = -697851100
BATCH_WRITE_ITEM = 116217951
TRANSACT_GET_ITEMS = 1866287579
TRANSACT_WRITE_ITEMS = -1160037738

ARITY: Mapping[int, int] = {
    AUTHORIZE: 5,
    ENDPOINTS: 0,
    DEFINE_KEY_SCHEMA: 1,
    DEFINE_ATTRIBUTE_LIST: 1,
    DEFINE_ATTRIBUTE_LIST_ID: 1,
    GET_ITEM: 3,
    PUT_ITEM: 4,
    UPDATE_ITEM: 3,
    DELETE_ITEM: 3,
    QUERY: 3,
    SCAN: 2,
    BATCH_GET_ITEM: 2,
    BATCH_WRITE_ITEM: 2,
    TRANSACT_GET_ITEMS: 4,
    TRANSACT_WRITE_ITEMS: 9,
}
"""How many CBOR items follow a method."""

# Members of requests.
PROJECTION_EXPRESSION = 0
EXPRESSION_ATTRIBUTE_NAMES = 1
CONSISTENT_READ = 2
RETURN_CONSUMED_CAPACITY = 3
CONDITION_EXPRESSION = 4
EXPRESSION_ATTRIBUTE_VALUES = 5
RETURN_ITEM_COLLECTION_METRICS = 6
RETURN_VALUES = 7
UPDATE_EXPRESSION = 8
EXCLUSIVE_START_KEY = 9
FILTER_EXPRESSION = 10
INDEX_NAME = 11
KEY_CONDITION_EXPRESSION = 12
LIMIT = 13
SCAN_INDEX_FORWARD = 14
SELECT = 15
SEGMENT = 16
TOTAL_SEGMENTS = 17
REQUEST_ITEMS = 18
CLIENT_REQUEST_TOKEN = 19

# Members of answers.
ITEM = 0
CONSUMED_CAPACITY = 1
ATTRIBUTES = 2
ITEM_COLLECTION_METRICS = 3
ITEMS = 7
COUNT = 8
LAST_EVALUATED_KEY = 9
SCANNED_COUNT = 10

CAPACITIES: Mapping[int, str] = {0: "NONE", 1: "TOTAL", 2: "INDEXES"}
METRICS: Mapping[int, str] = {0: "NONE", 1: "SIZE"}
SELECTS: Mapping[int, str] = {
    1: "ALL_ATTRIBUTES",
    2: "ALL_PROJECTED_ATTRIBUTES",
    3: "COUNT",
    4: "SPECIFIC_ATTRIBUTES",
}
RETURNS: Mapping[int, str] = {
    1: "NONE",
    2: "ALL_OLD",
    3: "UPDATED_OLD",
    4: "ALL_NEW",
    5: "UPDATED_NEW",
}

# What a transaction does with an item.
PUT, DELETE, PARTIAL_UPDATE, CHECK = 2, 7, 9, 12

CAPACITY_MEMBERS: Mapping[str, int] = {
    "CapacityUnits": 1,
    "ReadCapacityUnits": 2,
    "WriteCapacityUnits": 3,
    "TableName": 4,
    "Table": 5,
    "GlobalSecondaryIndexes": 6,
    "LocalSecondaryIndexes": 7,
}
"""Of the consumed capacity that transactions answer."""

LEADER = 1
"""The role of a node that takes writes."""

TAG_STRING_SET = 3321
TAG_NUMBER_SET = 3322
TAG_BINARY_SET = 3323
TAG_ORDINAL = 3324
"""An index of a list in a document path."""
