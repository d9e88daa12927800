"""Layers. Answers and wording from recordings of the real service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import Make, zipped

ARN = "arn:aws:lambda:us-east-1:000000000000:layer:lib"


def test_a_layer_is_published_and_used(make_function: Make, awslambda: Any):
    archive = zipped({"python/shared_code.py": "WORD = 'from the layer'\n"})
    made = awslambda.publish_layer_version(
        LayerName="lib", Content={"ZipFile": archive}, CompatibleRuntimes=["python3.11"]
    )
    assert (made["LayerArn"], made["LayerVersionArn"], made["Version"]) == (ARN, f"{ARN}:1", 1)
    assert made["CompatibleRuntimes"] == ["python3.11"]
    make_function(
        "import shared_code\ndef handler(e, c):\n    return shared_code.WORD\n",
        Layers=[f"{ARN}:1"],
    )
    shown = awslambda.get_function_configuration(FunctionName="echo")["Layers"]
    assert shown == [{"Arn": f"{ARN}:1", "CodeSize": len(archive)}]
    payload = awslambda.invoke(FunctionName="echo")["Payload"].read()
    assert json.loads(payload) == "from the layer"


def test_reading_and_deleting(awslambda: Any):
    archive = zipped({"x": "x"})
    for _ in range(2):
        awslambda.publish_layer_version(LayerName="lib", Content={"ZipFile": archive})
    assert awslambda.get_layer_version(LayerName="lib", VersionNumber=1)["Version"] == 1
    assert awslambda.get_layer_version_by_arn(Arn=f"{ARN}:2")["LayerVersionArn"] == f"{ARN}:2"
    versions = awslambda.list_layer_versions(LayerName="lib")["LayerVersions"]
    assert [v["Version"] for v in versions] == [2, 1]
    layers = awslambda.list_layers()["Layers"]
    assert layers[0]["LatestMatchingVersion"]["Version"] == 2
    awslambda.delete_layer_version(LayerName="lib", VersionNumber=2)
    again = awslambda.publish_layer_version(LayerName="lib", Content={"ZipFile": archive})
    assert again["Version"] == 3


def test_what_is_refused(make_function: Make, awslambda: Any):
    with pytest.raises(ClientError, match=f"Layer version {ARN}:9 does not exist"):
        make_function(Layers=[f"{ARN}:9"])
    with pytest.raises(ClientError, match="Cannot reference more than 5 layers"):
        make_function(Layers=[f"{ARN}{i}:1" for i in range(6)])
