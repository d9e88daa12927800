"""The structural check, in CloudFormation's words (recordings: cloudformation.json where named)."""

from __future__ import annotations

from typing import Any

import pytest

from serein.engines.templates import TemplateError, compile_template, parse_template

BUCKET = {"Type": "AWS::S3::Bucket"}


def message_of(tree: dict[str, Any]) -> str:
    with pytest.raises(TemplateError) as caught:
        compile_template(tree)
    return caught.value.message


def test_a_whole_template() -> None:
    template = compile_template(
        parse_template("""
AWSTemplateFormatVersion: 2010-09-09
Description: d
Parameters: {P: {Type: String, Default: 1, AllowedValues: [1, 2], NoEcho: true, MinLength: "1"}}
Mappings: {M: {a: {b: [c]}}}
Conditions: {C: !Equals [!Ref P, "1"]}
Resources:
  B: {Type: "AWS::S3::Bucket", DependsOn: Q, DeletionPolicy: Retain, Condition: C}
  Q: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Sub "${P}-${AWS::Region}"}}
Outputs: {O: {Value: !GetAtt Q.Arn, Export: {Name: x}}}
""")
    )
    assert template.parameters["P"].default == "1"
    assert template.parameters["P"].allowed_values == ("1", "2")
    assert template.parameters["P"].no_echo
    assert template.resources["B"].depends_on == ("Q",)
    assert template.outputs["O"].export_name == "x"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        # recordings: validations: test_missing_resources_block
        ({}, "Template format error: At least one Resources member must be defined."),
        (
            {"Resources": {}},
            "Template format error: At least one Resources member must be defined.",
        ),
        ({"Resources": {"B": BUCKET}, "Foo": 1}, "Invalid template property or properties [Foo]"),
        # recordings: template_engine: test_no_type
        (
            {"Resources": {"Foo": {}}},
            "Template format error: [/Resources/Foo] Every Resources object must contain a Type member.",
        ),
        (
            {"Resources": {"B": {**BUCKET, "Properties": {"BucketName": None}}}},
            "[/Resources/B/Properties/BucketName] 'null' values are not allowed in templates",
        ),
        (
            {"Resources": {"B": {**BUCKET, "Properties": {"BucketName": {"Ref": "X"}}}}},
            "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
        ),
        (
            {"Resources": {"B": {**BUCKET, "DependsOn": ["Y"]}}},
            "Template format error: Unresolved resource dependencies [Y] in the Resources block of the template",
        ),
        (
            {"Resources": {"B": BUCKET}, "Outputs": {"O": {"Value": {"Ref": "X"}}}},
            "Template format error: Unresolved resource dependencies [X] in the Outputs block of the template",
        ),
        (
            {"Resources": {"B": {**BUCKET, "Properties": {"A": {"Fn::GetAtt": ["X", "Arn"]}}}}},
            "Template error: instance of Fn::GetAtt references undefined resource X",
        ),
        # recordings: change_set_fn_get_attr: test_invalid_structure
        (
            {"Resources": {"B": {**BUCKET, "Properties": {"A": {"Fn::GetAtt": ["X"]}}}}},
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the"
            " resource attribute",
        ),
        # recordings: change_set_conditions: test_missing_condition
        (
            {
                "Resources": {
                    "B": {**BUCKET, "Properties": {"A": {"Fn::If": ["MissingCondition", 1, 2]}}}
                }
            },
            "Template error: unresolved condition dependency MissingCondition in Fn::If",
        ),
        (
            {"Resources": {"B-B": BUCKET}},
            "Template format error: Resource name B-B is non alphanumeric.",
        ),
        (
            {"Resources": {"B": {**BUCKET, "Propertie": {}}}},
            "Invalid template resource property 'Propertie'",
        ),
        (
            {"Resources": {"B": BUCKET}, "Parameters": {"P": {}}},
            "Template format error: Every Parameters object must contain a Type member.",
        ),
        (
            {"Resources": {"B": BUCKET}, "Parameters": {"P": {"Type": "Foo"}}},
            "Template format error: Unrecognized parameter type: Foo",
        ),
        (
            {"Resources": {"B": BUCKET}, "Outputs": {"O": {}}},
            "Template format error: Every Outputs member must contain a Value object",
        ),
        (
            {"Resources": {"B": BUCKET}, "Conditions": {"C": {"Fn::Equals": [{"Ref": "B"}, "x"]}}},
            "Template format error: Unresolved dependencies [B]. Cannot reference resources in the Conditions block of"
            " the template",
        ),
        (
            {"Resources": {"B": {**BUCKET, "Properties": {"A": {"Fn::Sub": "${a b}"}}}}},
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores,"
            " periods, and colons",
        ),
    ],
)
def test_words(tree: dict[str, Any], message: str) -> None:
    assert message_of(tree) == message


def test_an_error_names_its_place() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(
            {"Resources": {"B": {**BUCKET, "Properties": {"A": [{"Fn::GetAtt": ["X", "Y"]}]}}}}
        )
    assert caught.value.path == "/Resources/B/Properties/A"


def test_too_many_resources() -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    message = message_of({"Resources": {f"R{n}": BUCKET for n in range(501)}})
    assert "greater than maximum allowed, 500" in message
