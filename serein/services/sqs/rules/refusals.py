"""SQS's own errors that its model does not name: one code in JSON, another in the query protocol.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from serein.base.errors import AwsError


class InvalidParameterValue(AwsError):
    code = "InvalidParameterValueException"
    wire_code = "InvalidParameterValue"
    status = 400


class MissingParameter(AwsError):
    code = "MissingRequiredParameterException"
    wire_code = "MissingParameter"
    status = 400


def invalid_value(value: object, parameter: str, reason: str) -> InvalidParameterValue:
    """`Value … for parameter … is invalid. Reason: …`"""
    return InvalidParameterValue(
        f"Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    )


def missing(parameter: str) -> MissingParameter:
    """`The request must contain the parameter ….`"""
    return MissingParameter(f"The request must contain the parameter {parameter}.")
