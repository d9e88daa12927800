"""The serverless transform. https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-serverless.html"""

from __future__ import annotations

import subprocess
import sys

import orjson


def run(template: dict[str, object]) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    request = orjson.dumps({"template": template, "parameters": {}, "region": "eu-west-1"})
    done = subprocess.run(
        [sys.executable, "-m", "serein.engines.templates.sam"],
        input=request,
        capture_output=True,
        check=True,
    )
    answer: dict[str, dict[str, dict[str, dict[str, object]]]] = orjson.loads(done.stdout)
    return answer


def test_a_function_and_an_api() -> None:
    answer = run(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Globals": {"Function": {"Runtime": "python3.11", "Timeout": 7}},
            "Resources": {
                "F": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {
                        "InlineCode": "x",
                        "Handler": "a.b",
                        "Policies": ["AmazonDynamoDBReadOnlyAccess"],
                        "Events": {"A": {"Type": "HttpApi"}},
                    },
                }
            },
        }
    )
    resources = answer["template"]["Resources"]
    assert {r["Type"] for r in resources.values()} == {
        "AWS::Lambda::Function",
        "AWS::IAM::Role",
        "AWS::Lambda::Permission",
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Stage",
    }
    assert resources["F"]["Properties"]["Timeout"] == 7  # type: ignore[index]
    assert "Transform" not in answer["template"]
    assert "Globals" not in answer["template"]


def test_what_is_wrong_is_told() -> None:
    answer = run(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"Foo": 1}}},
        }
    )
    assert "Invalid Serverless Application Specification document" in str(answer["error"])
    assert "[F]" in str(answer["error"])
