"""Aliases. Answers and wording from recordings of the real service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make

ARN = "arn:aws:lambda:us-east-1:000000000000:function:echo"


def test_an_alias_lives_and_dies(make_function: Make, awslambda: Any):
    make_function(Publish=True)
    made = awslambda.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    assert made["AliasArn"] == f"{ARN}:live"
    assert (made["Description"], made["FunctionVersion"]) == ("", "1")
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    found = awslambda.get_alias(FunctionName="echo", Name="live")
    assert found["RevisionId"] == made["RevisionId"]
    assert [a["Name"] for a in awslambda.list_aliases(FunctionName="echo")["Aliases"]] == ["live"]
    gone = awslambda.delete_alias(FunctionName="echo", Name="live")
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert awslambda.list_aliases(FunctionName="echo")["Aliases"] == []
    with pytest.raises(ClientError, match=f"Cannot find alias arn: {ARN}:live"):
        awslambda.get_alias(FunctionName="echo", Name="live")


def test_what_is_refused(make_function: Make, awslambda: Any):
    make_function(Publish=True)
    with pytest.raises(ClientError, match=f"Function not found: {ARN}:7"):
        awslambda.create_alias(FunctionName="echo", Name="live", FunctionVersion="7")
    awslambda.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    with pytest.raises(ClientError, match=f"Alias already exists: {ARN}:live"):
        awslambda.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")


def test_weights_send_some_elsewhere(make_function: Make, awslambda: Any):
    make_function("def handler(e, c):\n    return c.function_version\n", Publish=True)
    awslambda.update_function_configuration(FunctionName="echo", Description="two")
    awslambda.publish_version(FunctionName="echo")
    awslambda.create_alias(
        FunctionName="echo",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    versions = {
        awslambda.invoke(FunctionName="echo", Qualifier="live")["ExecutedVersion"]
        for _ in range(30)
    }
    assert versions == {"1", "2"}
