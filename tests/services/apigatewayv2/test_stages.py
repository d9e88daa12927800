"""Routes, integrations, stages and deployments of the management API."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


@pytest.fixture
def api_id(gateway) -> str:
    gateway.function("f", lambda event: event["routeKey"])
    return str(gateway.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"])


@pytest.fixture
def target(gateway, api_id: str) -> str:
    made = gateway.api.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=FUNCTION,
        PayloadFormatVersion="2.0",
    )
    return f"integrations/{made['IntegrationId']}"


def test_integration_has_awss_defaults(gateway, api_id: str, target: str) -> None:
    identifier = target.partition("/")[2]
    told = gateway.api.get_integration(ApiId=api_id, IntegrationId=identifier)
    told.pop("ResponseMetadata")
    assert told == {
        "ConnectionType": "INTERNET",
        "IntegrationId": identifier,
        "IntegrationMethod": "POST",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": FUNCTION,
        "PayloadFormatVersion": "2.0",
        "TimeoutInMillis": 30000,
    }
    told = gateway.api.update_integration(
        ApiId=api_id, IntegrationId=identifier, TimeoutInMillis=5000, Description="d"
    )
    assert (told["TimeoutInMillis"], told["Description"]) == (5000, "d")


def test_route_has_awss_defaults_and_unique_keys(gateway, api_id: str, target: str) -> None:
    made = gateway.api.create_route(ApiId=api_id, RouteKey="GET /x", Target=target)
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    assert made == {
        "ApiKeyRequired": False,
        "AuthorizationType": "NONE",
        "RouteId": made["RouteId"],
        "RouteKey": "GET /x",
        "Target": target,
    }
    told = gateway.api.get_route(ApiId=api_id, RouteId=made["RouteId"])
    told.pop("ResponseMetadata")
    assert told == made
    with pytest.raises(ClientError) as error:
        gateway.api.create_route(ApiId=api_id, RouteKey="GET /x")
    assert refused(error) == (
        "ConflictException",
        "Route with key GET /x already exists for this API",
    )
    with pytest.raises(ClientError) as error:
        gateway.api.create_route(ApiId=api_id, RouteKey="x")
    assert refused(error)[0] == "BadRequestException"
    with pytest.raises(ClientError) as error:
        gateway.api.create_route(ApiId=api_id, RouteKey="GET /y", Target="integrations/none")
    assert refused(error)[0] == "NotFoundException"
    with pytest.raises(ClientError) as error:
        gateway.api.delete_integration(ApiId=api_id, IntegrationId=target.partition("/")[2])
    assert refused(error)[0] == "ConflictException"


@pytest.mark.parametrize(
    "members",
    [
        {"IntegrationType": "MOCK"},
        {"IntegrationType": "AWS_PROXY", "IntegrationUri": "x", "PayloadFormatVersion": "2.0"},
        {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "3"},
        {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "ftp://x", "IntegrationMethod": "GET"},
        {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://x"},
        {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage"},
    ],
)
def test_bad_integrations_are_refused(gateway, api_id: str, members) -> None:
    with pytest.raises(ClientError) as error:
        gateway.api.create_integration(ApiId=api_id, **members)
    assert refused(error)[0] == "BadRequestException"


def test_deployments_are_snapshots(gateway, api_id: str, target: str) -> None:
    with pytest.raises(ClientError) as error:
        gateway.api.create_deployment(ApiId=api_id)
    assert refused(error) == (
        "BadRequestException",
        "Unable to deploy API because no routes exist in this API",
    )
    stage = gateway.api.create_stage(ApiId=api_id, StageName="$default")
    assert "DeploymentId" not in stage
    assert "AutoDeploy" not in stage
    gateway.api.create_route(ApiId=api_id, RouteKey="GET /one", Target=target)
    assert gateway.visit(api_id, path="/one").status == 404
    first = gateway.api.create_deployment(ApiId=api_id, StageName="$default", Description="d")
    assert (first["AutoDeployed"], first["DeploymentStatus"]) == (False, "DEPLOYED")
    assert gateway.visit(api_id, path="/one").body == b"GET /one"
    gateway.api.create_route(ApiId=api_id, RouteKey="GET /two", Target=target)
    assert gateway.visit(api_id, path="/two").status == 404
    second = gateway.api.create_deployment(ApiId=api_id)
    gateway.api.update_stage(
        ApiId=api_id, StageName="$default", DeploymentId=second["DeploymentId"]
    )
    assert gateway.visit(api_id, path="/two").status == 200
    with pytest.raises(ClientError) as error:
        gateway.api.delete_deployment(ApiId=api_id, DeploymentId=second["DeploymentId"])
    assert refused(error)[0] == "BadRequestException"
    where = {"ApiId": api_id, "DeploymentId": first["DeploymentId"]}
    assert gateway.api.get_deployment(**where)["Description"] == "d"
    assert gateway.api.update_deployment(**where, Description="new")["Description"] == "new"
    gateway.api.delete_deployment(**where)
    with pytest.raises(ClientError) as error:
        gateway.api.get_deployment(**where)
    assert refused(error)[0] == "NotFoundException"
    assert len(gateway.api.get_deployments(ApiId=api_id)["Items"]) == 1


def test_auto_deploy_follows_every_change(gateway, api_id: str, target: str) -> None:
    stage = gateway.api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert "no routes exist" in stage["LastDeploymentStatusMessage"]
    route = gateway.api.create_route(ApiId=api_id, RouteKey="GET /one", Target=target)
    assert gateway.visit(api_id, path="/one").status == 200
    stage = gateway.api.get_stage(ApiId=api_id, StageName="$default")
    assert stage["AutoDeploy"] is True
    assert stage["LastDeploymentStatusMessage"] == (
        f"Successfully deployed stage with deployment ID '{stage['DeploymentId']}'"
    )
    gateway.api.update_route(ApiId=api_id, RouteId=route["RouteId"], RouteKey="GET /other")
    assert gateway.visit(api_id, path="/one").status == 404
    assert gateway.visit(api_id, path="/other").status == 200
    for number in range(30):
        gateway.api.update_route(ApiId=api_id, RouteId=route["RouteId"], RouteKey=f"GET /n{number}")
    assert len(gateway.api.get_deployments(ApiId=api_id)["Items"]) <= 21
    with pytest.raises(ClientError) as error:
        gateway.api.create_deployment(ApiId=api_id, StageName="$default")
    assert refused(error)[0] == "BadRequestException"


def test_stage_settings(gateway, api_id: str, target: str) -> None:
    made = gateway.api.create_stage(
        ApiId=api_id,
        StageName="dev",
        StageVariables={"a": "1", "b": "2"},
        DefaultRouteSettings={"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.5},
        Tags={"k": "v"},
    )
    assert made["DefaultRouteSettings"] == {
        "DetailedMetricsEnabled": False,
        "ThrottlingBurstLimit": 5,
        "ThrottlingRateLimit": 2.5,
    }
    assert made["Tags"] == {"k": "v"}
    assert made["RouteSettings"] == {}
    told = gateway.api.update_stage(
        ApiId=api_id,
        StageName="dev",
        StageVariables={"a": ""},
        RouteSettings={"GET /x": {"DetailedMetricsEnabled": True}},
    )
    assert told["StageVariables"] == {"b": "2"}
    gateway.api.delete_route_settings(ApiId=api_id, StageName="dev", RouteKey="GET /x")
    assert gateway.api.get_stage(ApiId=api_id, StageName="dev")["RouteSettings"] == {}
    log = {
        "DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:g",
        "Format": "$context",
    }
    told = gateway.api.update_stage(ApiId=api_id, StageName="dev", AccessLogSettings=log)
    assert told["AccessLogSettings"] == log
    gateway.api.delete_access_log_settings(ApiId=api_id, StageName="dev")
    assert "AccessLogSettings" not in gateway.api.get_stage(ApiId=api_id, StageName="dev")
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}/stages/dev"
    assert gateway.api.get_tags(ResourceArn=arn)["Tags"] == {"k": "v"}
    with pytest.raises(ClientError) as error:
        gateway.api.create_stage(ApiId=api_id, StageName="dev")
    assert refused(error) == ("ConflictException", "Stage already exists")
    with pytest.raises(ClientError) as error:
        gateway.api.create_stage(ApiId=api_id, StageName="a b")
    assert refused(error)[0] == "BadRequestException"
    gateway.api.delete_stage(ApiId=api_id, StageName="dev")
    assert gateway.api.get_stages(ApiId=api_id)["Items"] == []
