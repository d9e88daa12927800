"""AWS's words for what the model forbids. Wordings from recorded answers (apigateway, lambda, sns, events)."""

from __future__ import annotations

import pytest

from serein.wire.models import Wire
from serein.wire.validate import validation_error, validation_message


@pytest.fixture(scope="module")
def wire() -> Wire:
    return Wire()


def words(wire: Wire, service: str, operation: str, params: dict) -> str:
    failures = wire.service(service).operation(operation).validate(params)
    return validation_message(failures) if failures else ""


def test_all_is_well(wire: Wire) -> None:
    assert words(wire, "dynamodb", "GetItem", {"TableName": "t", "Key": {"a": {"S": "x"}}}) == ""


def test_missing(wire: Wire) -> None:
    assert words(wire, "sns", "TagResource", {"ResourceArn": "arn", "Tags": [{"Key": "k"}]}) == (
        "1 validation error detected: Value null at 'tags.1.member.value' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_missing_inside_a_map(wire: Wire) -> None:
    params = {"Message": "x", "MessageAttributes": {"attr1": {"StringValue": "x"}}}
    assert words(wire, "sns", "Publish", params) == (
        "1 validation error detected: Value null at 'messageAttributes.attr1.member.dataType' failed to "
        "satisfy constraint: Member must not be null"
    )


def test_length_and_pattern_together_in_the_order_of_aws(wire: Wire) -> None:
    rule = "!" * 65
    assert words(wire, "events", "PutRule", {"Name": rule}) == (
        f"2 validation errors detected: Value '{rule}' at 'name' failed to satisfy constraint: Member must "
        f"satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+; Value '{rule}' at 'name' failed to "
        "satisfy constraint: Member must have length less than or equal to 64"
    )


def test_structure_in_list(wire: Wire) -> None:
    long = "second-invalid-target-id" * 3
    params = {"Rule": "r", "Targets": [{"Id": long, "Arn": "arn"}]}
    assert words(wire, "events", "PutTargets", params) == (
        f"1 validation error detected: Value '{long}' at 'targets.1.member.id' failed to satisfy "
        "constraint: Member must have length less than or equal to 64"
    )


def test_range(wire: Wire) -> None:
    assert words(wire, "logs", "FilterLogEvents", {"logGroupName": "g", "limit": 10001}) == (
        "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must "
        "have value less than or equal to 10000"
    )


def test_enum(wire: Wire) -> None:
    params = {"FunctionName": "f", "RecursiveLoop": "InvalidValue"}
    assert words(wire, "lambda", "PutFunctionRecursionConfig", params) == (
        "1 validation error detected: Value 'InvalidValue' at 'recursiveLoop' failed to satisfy "
        "constraint: Member must satisfy enum value set: [Allow, Terminate]"
    )


def test_scalars_in_a_list_show_every_constraint(wire: Wire) -> None:
    params = {"FunctionName": "f", "VpcConfig": {"SubnetIds": ["bad id"]}}
    assert words(wire, "lambda", "UpdateFunctionConfiguration", params) == (
        "1 validation error detected: Value '[bad id]' at 'vpcConfig.subnetIds' failed to satisfy "
        "constraint: Member must satisfy constraint: [Member must have length less than or equal to 1024, "
        "Member must have length greater than or equal to 0, Member must satisfy regular expression "
        "pattern: subnet-[0-9a-z]*]"
    )


def test_sensitive_values_are_not_repeated(wire: Wire) -> None:
    failures = (
        wire.service("iam")
        .operation("CreateLoginProfile")
        .validate({"UserName": "u", "Password": "x" * 129})
    )
    assert [f.message for f in failures] == [
        "Value at 'password' failed to satisfy constraint: Member must have length less than or equal to 128"
    ]


def test_types_from_neighbours_are_checked(wire: Wire) -> None:
    failures = (
        wire.service("sqs").operation("SendMessage").validate({"QueueUrl": 7, "MessageBody": "x"})
    )
    assert [(f.path, f.kind) for f in failures] == [("queueUrl", "type")]


def test_attribute_values_are_not_looked_into(wire: Wire) -> None:
    params = {"TableName": "t", "Item": {"a": {"N": 7, "X": None}}}
    assert words(wire, "dynamodb", "PutItem", params) == ""


def test_prefix_and_code(wire: Wire) -> None:
    failures = wire.service("iam").operation("GetRole").validate({})
    error = validation_error(failures, code="ValidationError", prefix="x.")
    assert error.code == "ValidationError"
    assert "at 'x.roleName'" in error.message
