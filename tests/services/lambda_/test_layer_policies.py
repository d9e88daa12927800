"""Who may use a layer version. Answers and words from recordings of the real service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.conftest import ECHO

ARN = "arn:aws:lambda:us-east-1:000000000000:layer:own:1"


@pytest.fixture
def layer(awslambda: Any) -> dict[str, Any]:
    """A layer's first version."""
    made: dict[str, Any] = awslambda.publish_layer_version(
        LayerName="own", Content={"ZipFile": ECHO}
    )
    return made


def test_publishing_shows_both_lists(layer: dict[str, Any]):
    assert layer["CompatibleRuntimes"] == []
    assert layer["CompatibleArchitectures"] == []
    assert layer["LayerVersionArn"] == ARN


def test_a_policy_grows_and_shrinks(awslambda: Any, layer: dict[str, Any]):
    given: dict[str, Any] = {
        "LayerName": "own",
        "VersionNumber": 1,
        "Action": "lambda:GetLayerVersion",
        "Principal": "*",
    }
    with pytest.raises(ClientError, match="No policy is associated with the given resource"):
        awslambda.get_layer_version_policy(LayerName="own", VersionNumber=1)
    added = awslambda.add_layer_version_permission(StatementId="s1", **given)
    assert json.loads(added["Statement"]) == {
        "Sid": "s1",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": ARN,
    }
    with pytest.raises(ClientError, match=r"The statement id \(s1\) provided already exists"):
        awslambda.add_layer_version_permission(StatementId="s1", **given)
    with pytest.raises(ClientError, match="Call the GetLayerPolicy API"):
        awslambda.add_layer_version_permission(StatementId="s2", RevisionId="wrong", **given)
    awslambda.add_layer_version_permission(
        StatementId="s2", RevisionId=added["RevisionId"], **given
    )
    found = awslambda.get_layer_version_policy(LayerName="own", VersionNumber=1)
    assert [s["Sid"] for s in json.loads(found["Policy"])["Statement"]] == ["s1", "s2"]
    with pytest.raises(ClientError, match="Statement s3 is not found in resource policy"):
        awslambda.remove_layer_version_permission(
            LayerName="own", VersionNumber=1, StatementId="s3"
        )
    awslambda.remove_layer_version_permission(LayerName="own", VersionNumber=1, StatementId="s2")
    with pytest.raises(ClientError, match=r"layer:own:2 does not exist"):
        awslambda.get_layer_version_policy(LayerName="own", VersionNumber=2)


def test_listings_come_in_pages(awslambda: Any, layer: dict[str, Any]):
    for _ in range(2):
        awslambda.publish_layer_version(LayerName="own", Content={"ZipFile": ECHO})
    awslambda.publish_layer_version(LayerName="second", Content={"ZipFile": ECHO})
    pages = awslambda.get_paginator("list_layer_versions").paginate(
        LayerName="own", PaginationConfig={"PageSize": 1}
    )
    assert [v["Version"] for page in pages for v in page["LayerVersions"]] == [3, 2, 1]
    pages = awslambda.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1})
    assert [one["LayerName"] for page in pages for one in page["Layers"]] == ["own", "second"]
