"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.templates import (
    NO_VALUE,
    UNKNOWN,
    Pseudo,
    ResourceValue,
    Scope,
    TemplateError,
    check_rules,
    compile_template,
    dependencies_of,
    dynamic_references,
    embedded_transforms,
    evaluate,
    evaluate_output,
    evaluate_properties,
    expand_loops,
    merged,
    replace_dynamic,
    resolve_parameters,
    wanted_resources,
    with_value_at,
)
from serein.engines.templates.graph import creation_order, deletion_order

PSEUDO = Pseudo(account="111111111111", region="eu-west-1", stack_id="arn:stack", stack_name="s")


def scope(**kwargs: Any) -> Scope:
    settings: dict[str, Any] = {
        "pseudo": PSEUDO,
        "parameters": {"P": "p", "L": ["a", "b"]},
        "mappings": {"M": {"a": {"b": "c", "l": ["x", "y"]}}},
        "conditions": {"Yes": {"Fn::Equals": ["1", 1]}, "No": {"Fn::Not": [{"Condition": "Yes"}]}},
        "resources": {
            "R": ResourceValue(ref="r-id", attributes={"Arn": "arn:r", "Nested": {"A": "deep"}})
        },
        "exports": {"e": "exported"},
        "zones": {"eu-west-1": ("eu-west-1a", "eu-west-1b")},
        "extended": True,
    }
    return Scope(**{**settings, **kwargs})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Ref": "P"}, "p"),
        ({"Ref": "L"}, ["a", "b"]),
        ({"Ref": "R"}, "r-id"),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "AWS::NoValue"}, NO_VALUE),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        ({"Fn::GetAtt": ["R", "Arn"]}, "arn:r"),
        ({"Fn::GetAtt": "R.Nested.A"}, "deep"),
        (
            {"Fn::Sub": "${P}-${R}-${R.Arn}-${AWS::AccountId}-${!Lit}"},
            "p-r-id-arn:r-111111111111-${Lit}",
        ),
        ({"Fn::Sub": ["${x}${P}", {"x": {"Ref": "R"}}]}, "r-idp"),
        ({"Fn::Join": [",", ["a", {"Ref": "P"}, 1, True]]}, "a,p,1,true"),
        ({"Fn::Join": ["-", {"Ref": "L"}]}, "a-b"),
        # recordings: template_engine: test_join_no_value_construct
        ({"Fn::Join": ["", [{"Ref": "AWS::NoValue"}, "Sample"]]}, "Sample"),
        ({"Fn::Select": ["1", {"Ref": "L"}]}, "b"),
        ({"Fn::Split": ["|", "a|b|"]}, ["a", "b", ""]),
        ({"Fn::FindInMap": ["M", "a", "b"]}, "c"),
        ({"Fn::FindInMap": ["M", "zz", "b", {"DefaultValue": "d"}]}, "d"),
        ({"Fn::ImportValue": {"Fn::Sub": "e"}}, "exported"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, "8"]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b"]),
        ({"Fn::If": ["Yes", 1, {"Ref": "AWS::NoValue"}]}, 1),
        ({"Fn::If": ["No", 1, [2]]}, [2]),
        ({"Fn::Length": {"Ref": "L"}}, 2),
        ({"Fn::ToJsonString": {"a": {"Ref": "P"}}}, '{"a":"p"}'),
        (
            {
                "Fn::And": [
                    {"Condition": "Yes"},
                    {"Fn::Or": [{"Condition": "No"}, {"Condition": "Yes"}]},
                ]
            },
            True,
        ),
    ],
)
def test_functions(expression: Any, value: Any) -> None:
    assert evaluate(scope(), expression) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            {"Fn::Select": [5, ["a"]]},
            "Template error: Fn::Select cannot select nonexistent value at index 5",
        ),
        # recordings: mappings: test_async_mapping_error_second_level_v2
        (
            {"Fn::FindInMap": ["M", "a", "NotValid"]},
            "Template error: Unable to get mapping for M::a::NotValid",
        ),
        (
            {"Fn::FindInMap": ["X", "a", "b"]},
            "Template error: Mapping named 'X' is not present in the 'Mappings' section of template.",
        ),
        # recordings: conditions: TestValidateConditions::test_validate_equals_args_len
        (
            {"Fn::Equals": ["a"]},
            "Template error: every Fn::Equals object requires a list of 2 string parameters.",
        ),
        # recordings: change_set_fn_split: test_validate_split_arguments_len
        (
            {"Fn::Split": ["a"]},
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to"
            " be split or a function that returns a string to be split.",
        ),
        ({"Fn::ImportValue": "nope"}, "No export named nope found"),
        (
            {"Ref": "Absent"},
            "Template format error: Unresolved resource dependencies [Absent] in the Resources block of the template",
        ),
        (
            {"Fn::Sub": "${L}"},
            "Template error: variable L in Fn::Sub expression does not resolve to a string",
        ),
    ],
)
def test_errors(expression: Any, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        evaluate(scope(), expression)
    assert caught.value.message == message


def test_circular_conditions_end() -> None:
    with pytest.raises(TemplateError, match="circular"):
        evaluate(
            scope(conditions={"A": {"Condition": "B"}, "B": {"Condition": "A"}}),
            {"Fn::If": ["A", 1, 2]},
        )


def test_planning_marks_what_only_deployment_tells() -> None:
    planning = scope(planning=True, exports=None, resources={})
    assert evaluate(planning, {"Fn::Sub": "a-${R.Arn}"}) == f"a-{UNKNOWN}"
    assert (
        evaluate(planning, {"Fn::Select": [3, {"Fn::Split": [":", {"Fn::GetAtt": ["R", "Arn"]}]}]})
        == UNKNOWN
    )


def test_properties_and_outputs_name_their_place() -> None:
    template = compile_template(
        {
            "Resources": {
                "R": {"Type": "AWS::SQS::Queue", "Properties": {"Q": {"Fn::Select": [9, ["a"]]}}}
            },
            "Outputs": {
                "O": {"Value": {"Fn::Join": ["", ["a", {"Ref": "R"}]]}, "Export": {"Name": "n"}}
            },
        }
    )
    with pytest.raises(TemplateError) as caught:
        evaluate_properties(scope(), template.resources["R"])
    assert caught.value.path == "/Resources/R/Properties/Q"
    assert evaluate_output(scope(), template.outputs["O"]) == ("ar-id", "n")


def test_graph() -> None:
    tree: dict[str, Any] = {
        "Parameters": {"P": {"Type": "String"}, "L": {"Type": "CommaDelimitedList"}},
        "Conditions": {"Yes": {"Fn::Equals": ["1", 1]}, "No": {"Fn::Not": [{"Condition": "Yes"}]}},
        "Resources": {
            "A": {"Type": "T::T::T", "Properties": {"x": {"Fn::Sub": "${B.Arn}"}}},
            "B": {"Type": "T::T::T", "Properties": {"x": {"Fn::If": ["Yes", 1, {"Ref": "C"}]}}},
            "C": {"Type": "T::T::T", "Condition": "No"},
            "D": {"Type": "T::T::T", "DependsOn": ["A", "C"]},
        },
    }
    template = compile_template(tree)
    here = scope()
    wanted = wanted_resources(here, template)
    assert list(wanted) == ["A", "B", "D"]
    graph = dependencies_of(here, wanted)
    assert graph == {"A": ("B",), "B": (), "D": ("A",)}
    assert creation_order(graph) == ["B", "A", "D"]
    assert deletion_order(graph) == ["D", "A", "B"]
    # recordings: conditions: TestCloudFormationConditions::test_dependent_ref
    tree["Resources"]["B"]["Properties"]["x"] = {"Ref": "C"}
    with pytest.raises(
        TemplateError, match=r"Unresolved resource dependencies \[C\] in the Resources block"
    ):
        dependencies_of(here, wanted_resources(here, compile_template(tree)))


def test_circle() -> None:
    with pytest.raises(TemplateError) as caught:
        creation_order({"A": ("B",), "B": ("A",), "C": ("A",), "D": ()})
    assert caught.value.message == "Circular dependency between resources: [A, B]"


@given(st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4)))
def test_orders_respect_needs(edges: dict[int, list[int]]) -> None:
    graph = {str(n): tuple(str(m) for m in needs if m < n) for n, needs in edges.items()}
    order = creation_order(graph)
    assert sorted(order) == sorted(graph)
    for name, needs in graph.items():
        for need in needs:
            if need in graph:
                assert order.index(need) < order.index(name)


def test_for_each() -> None:
    """recordings: transformers: TestLanguageExtensionsTransform::test_transform_foreach"""
    tree: dict[str, Any] = {
        "Transform": "AWS::LanguageExtensions",
        "Resources": {
            "Fn::ForEach::Topics": [
                "Name",
                {"Ref": "L"},
                {
                    "Topic${Name}": {
                        "Type": "AWS::SNS::Topic",
                        "Properties": {"TopicName": {"Ref": "Name"}},
                    }
                },
            ]
        },
    }
    assert expand_loops(scope(), tree)["Resources"] == {
        "Topica": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "a"}},
        "Topicb": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "b"}},
    }


def test_dynamic_references() -> None:
    text = "x{{resolve:ssm:/a/b:3}}y{{resolve:secretsmanager:s:SecretString:k:AWSCURRENT}}"
    found = dynamic_references({"a": [text]})
    assert [(r.service, r.name, r.version, r.json_key, r.stage) for r in found] == [
        ("ssm", "/a/b", "3", "", ""),
        ("secretsmanager", "s", "", "k", "AWSCURRENT"),
    ]
    assert replace_dynamic({"a": [text]}, {r.text: "!" for r in found}) == {"a": ["x!y!"]}


def test_embedded_transforms() -> None:
    tree = {
        "R": {
            "a": 1,
            "Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}},
        }
    }
    (found,) = embedded_transforms(tree)
    assert found.path == ("R",)
    assert with_value_at(tree, found.path, merged(found.siblings, {"b": 2})) == {
        "R": {"a": 1, "b": 2}
    }


def test_rules() -> None:
    tree: dict[str, Any] = {
        "Rules": {
            "R": {
                "RuleCondition": {"Fn::Equals": [{"Ref": "P"}, "p"]},
                "Assertions": [
                    {
                        "Assert": {"Fn::Contains": [["a"], {"Ref": "P"}]},
                        "AssertDescription": "must be a",
                    }
                ],
            }
        },
        "Parameters": {"P": {"Type": "String"}},
        "Resources": {"B": {"Type": "AWS::S3::Bucket"}},
    }
    with pytest.raises(TemplateError, match="must be a"):
        check_rules(scope(), compile_template(tree))


NAMES = st.sampled_from(
    ["P", "L", "R", "B", "X", "Yes", "No", "M", "AWS::Region", "AWS::NoValue", "a", "Arn", ""]
)
FUNCTIONS = st.sampled_from(
    [
        "Ref",
        "Fn::GetAtt",
        "Fn::Sub",
        "Fn::Join",
        "Fn::Select",
        "Fn::Split",
        "Fn::FindInMap",
        "Fn::ImportValue",
        "Fn::Base64",
        "Fn::Cidr",
        "Fn::GetAZs",
        "Fn::If",
        "Fn::And",
        "Fn::Or",
        "Fn::Not",
        "Fn::Equals",
        "Condition",
        "Fn::Length",
        "Fn::ToJsonString",
        "Fn::Transform",
        "Fn::Foo",
        "Fn::ForEach::X",
    ]
)
LEAVES = (
    NAMES
    | st.integers(-3, 300)
    | st.booleans()
    | st.none()
    | st.floats()
    | st.sampled_from(
        [
            "${P}",
            "${R.Arn}",
            "${",
            "${!a}",
            "${L}",
            "10.0.0.0/8",
            "::/0",
            "{{resolve:ssm:a}}",
            "{{resolve:x:y}}",
            ",",
        ]
    )
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(FUNCTIONS, inner, min_size=1, max_size=1)
        | st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "DeletionPolicy",
        "Metadata",
        "Value",
        "Export",
        "Default",
        "Name",
    ]
)
ITEM = st.dictionaries(MEMBERS, EXPRESSIONS, max_size=4) | EXPRESSIONS
RESOURCE = st.fixed_dictionaries(
    {"Type": st.just("AWS::S3::Bucket")},
    optional={"Properties": st.dictionaries(NAMES, EXPRESSIONS, max_size=3)},
)
SECTION = (
    st.dictionaries(NAMES | st.just("Fn::ForEach::X"), ITEM | RESOURCE, max_size=3) | EXPRESSIONS
)
TEMPLATES = st.fixed_dictionaries(
    {"Resources": st.dictionaries(NAMES, RESOURCE | ITEM, min_size=1, max_size=3) | SECTION},
    optional={
        "Parameters": SECTION,
        "Outputs": SECTION,
        "Conditions": SECTION,
        "Mappings": SECTION,
        "Rules": SECTION,
        "Transform": EXPRESSIONS,
        "Metadata": EXPRESSIONS,
        "Description": EXPRESSIONS,
    },
)


@settings(max_examples=400, deadline=None)
@given(TEMPLATES)
def test_random_templates_never_crash(tree: dict[str, Any]) -> None:
    """Whatever a template says, the answer is a deployment's plan or a TemplateError."""
    try:
        expanded = expand_loops(scope(), tree)
        embedded_transforms(expanded)
        template = compile_template(expanded)
        parameters = resolve_parameters(template.parameters, [])
        here = scope(
            parameters={key: p.value for key, p in parameters.items()},
            mappings=template.mappings,
            conditions=template.conditions,
            planning=True,
        )
        check_rules(here, template)
        wanted = wanted_resources(here, template)
        dependencies_of(here, wanted)
        for resource in wanted.values():
            dynamic_references(evaluate_properties(here, resource))
        for output in template.outputs.values():
            evaluate_output(here, output)
    except TemplateError:
        pass


@settings(max_examples=600, deadline=None)
@given(EXPRESSIONS)
def test_random_expressions_never_crash(expression: Any) -> None:
    for planning in (True, False):
        try:
            evaluate(scope(planning=planning), expression)
        except TemplateError:
            pass
