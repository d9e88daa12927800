"""What botocore's current models no longer say, or never said, of how a service speaks.

SQS moved from the query protocol to JSON and its model lost the old names; AWS still answers both.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from serein.wire.shapes import ReferenceModel, ShapeModel

XML_NAMESPACES: Mapping[str, str] = {
    "sqs": "http://queue.amazonaws.com/doc/2012-11-05/",
}

OPAQUE: Mapping[str, frozenset[str]] = {
    "dynamodb": frozenset({"AttributeValue"}),
    "dynamodbstreams": frozenset({"AttributeValue"}),
}
"""Shapes that stay as they are on the wire."""

_AWS_SQS = "AWS.SimpleQueueService."
QUERY_CODES: Mapping[str, Mapping[str, str]] = {
    "sqs": {
        "QueueDoesNotExist": _AWS_SQS + "NonExistentQueue",
        "QueueDeletedRecently": _AWS_SQS + "QueueDeletedRecently",
        "QueueNameExists": "QueueAlreadyExists",
        "BatchEntryIdsNotDistinct": _AWS_SQS + "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong": _AWS_SQS + "BatchRequestTooLong",
        "EmptyBatchRequest": _AWS_SQS + "EmptyBatchRequest",
        "InvalidBatchEntryId": _AWS_SQS + "InvalidBatchEntryId",
        "TooManyEntriesInBatchRequest": _AWS_SQS + "TooManyEntriesInBatchRequest",
        "MessageNotInflight": _AWS_SQS + "MessageNotInflight",
        "PurgeQueueInProgress": _AWS_SQS + "PurgeQueueInProgress",
        "UnsupportedOperation": _AWS_SQS + "UnsupportedOperation",
        "KmsAccessDenied": "KMS.AccessDeniedException",
        "KmsDisabled": "KMS.DisabledException",
        "KmsInvalidKeyUsage": "KMS.InvalidKeyUsageException",
        "KmsInvalidState": "KMS.InvalidStateException",
        "KmsNotFound": "KMS.NotFoundException",
        "KmsOptInRequired": "KMS.OptInRequired",
        "KmsThrottled": "KMS.ThrottlingException",
    },
}
"""The codes of errors in the query protocol where the model has only the shape's name."""

STATUSES: Mapping[str, Mapping[str, int]] = {
    "s3": {
        "NoSuchKey": 404,
        "NoSuchBucket": 404,
        "NoSuchUpload": 404,
        "BucketAlreadyExists": 409,
        "BucketAlreadyOwnedByYou": 409,
        "ObjectNotInActiveTierError": 403,
        "ObjectAlreadyInActiveTierError": 403,
    },
    "sqs": {"ResourceNotFoundException": 404},
}
"""HTTP statuses of errors whose model has none."""

_MAPS: Mapping[str, tuple[str, str, str]] = {
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "TagMap": ("Tag", "Key", "Value"),
}
_LISTS: Mapping[str, str] = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "BinaryList": "BinaryListValue",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "ListMessageMoveTasksResultEntryList": "ListMessageMoveTasksResultEntry",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "QueueUrlList": "QueueUrl",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "StringList": "StringListValue",
    "TagKeyList": "TagKey",
}


def query_shapes(service: str, shapes: dict[str, ShapeModel]) -> dict[str, ShapeModel]:
    """The shapes of `service` with the names that its query protocol has."""
    if service != "sqs":
        return shapes
    out = dict(shapes)
    for name, (own, key, value) in _MAPS.items():
        shape = out.get(name)
        if shape is not None and shape.key is not None and shape.value is not None:
            out[name] = msgspec.structs.replace(
                shape,
                flattened=True,
                location_name=own,
                key=_named(shape.key, key),
                value=_named(shape.value, value),
            )
    for name, own in _LISTS.items():
        shape = out.get(name)
        if shape is not None and shape.member is not None:
            out[name] = msgspec.structs.replace(
                shape, flattened=True, member=_named(shape.member, own)
            )
    return out


def _named(reference: ReferenceModel, name: str) -> ReferenceModel:
    return msgspec.structs.replace(reference, location_name=name)
