"""OpenAPI definitions, as SAM writes them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


def integration(name: str = "f") -> dict[str, Any]:
    return {
        "x-amazon-apigateway-integration": {
            "httpMethod": "POST",
            "type": "aws_proxy",
            "uri": URI.format(FUNCTION + name),
            "payloadFormatVersion": "2.0",
        },
        "responses": {},
    }


def definition() -> dict[str, Any]:
    """What aws-sam-translator makes of an HttpApi with CORS, two authorizers and a default route."""
    return {
        "openapi": "3.0.1",
        "info": {"version": "1.0", "title": "stack", "description": "d"},
        "paths": {
            "/t/{id}": {
                "get": {**integration(), "security": [{"Tok": ["s"]}], "operationId": "one"}
            },
            "/u": {"x-amazon-apigateway-any-method": {**integration(), "security": [{"Fn": []}]}},
            "/iam": {"post": {**integration(), "x-amazon-apigateway-auth": {"type": "AWS_IAM"}}},
            "$default": {
                "x-amazon-apigateway-any-method": {**integration(), "isDefaultRoute": True}
            },
        },
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "allowMethods": ["GET"], "maxAge": 5},
        "tags": [{"name": "httpapi:createdBy", "x-amazon-apigateway-tag-value": "SAM"}],
        "components": {
            "securitySchemes": {
                "Tok": {
                    "type": "oauth2",
                    "x-amazon-apigateway-authorizer": {
                        "jwtConfiguration": {"issuer": "https://x", "audience": ["a"]},
                        "identitySource": "$request.header.Authorization",
                        "type": "jwt",
                    },
                },
                "Fn": {
                    "type": "apiKey",
                    "name": "Unused",
                    "in": "header",
                    "x-amazon-apigateway-authorizer": {
                        "type": "request",
                        "authorizerUri": URI.format(FUNCTION + "auth"),
                        "authorizerResultTtlInSeconds": 10,
                        "identitySource": ["$request.header.A"],
                        "authorizerPayloadFormatVersion": "2.0",
                        "enableSimpleResponses": True,
                    },
                },
            }
        },
    }


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump])
def test_import_makes_routes_integrations_and_authorizers(gateway, write) -> None:
    made = gateway.api.import_api(Body=write(definition()))
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    api_id = made["ApiId"]
    assert (made["Name"], made["Version"], made["Description"]) == ("stack", "1.0", "d")
    assert made["Tags"] == {"httpapi:createdBy": "SAM"}
    assert made["CorsConfiguration"]["AllowOrigins"] == ["*"]
    routes = {route["RouteKey"]: route for route in gateway.api.get_routes(ApiId=api_id)["Items"]}
    names = {
        a["Name"]: a["AuthorizerId"] for a in gateway.api.get_authorizers(ApiId=api_id)["Items"]
    }
    assert set(routes) == {"GET /t/{id}", "ANY /u", "POST /iam", "$default"}
    assert routes["GET /t/{id}"]["AuthorizationType"] == "JWT"
    assert routes["GET /t/{id}"]["AuthorizationScopes"] == ["s"]
    assert routes["GET /t/{id}"]["AuthorizerId"] == names["Tok"]
    assert routes["GET /t/{id}"]["OperationName"] == "one"
    assert routes["ANY /u"]["AuthorizationType"] == "CUSTOM"
    assert routes["POST /iam"]["AuthorizationType"] == "AWS_IAM"
    assert routes["$default"]["AuthorizationType"] == "NONE"
    gateway.api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    gateway.function("f", lambda event: event["routeKey"])
    assert gateway.visit(api_id, path="/elsewhere").body == b"$default"
    assert gateway.visit(api_id, path="/t/1").status == 401


def test_reimport_replaces_and_keeps_ids(gateway) -> None:
    api_id = gateway.api.import_api(Body=json.dumps(definition()))["ApiId"]
    gateway.api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    gateway.function("f", lambda event: event["routeKey"])
    before = {r["RouteKey"]: r["RouteId"] for r in gateway.api.get_routes(ApiId=api_id)["Items"]}
    changed = definition()
    del changed["paths"]["$default"], changed["x-amazon-apigateway-cors"]
    changed["paths"]["/new"] = {"get": integration()}
    told = gateway.api.reimport_api(ApiId=api_id, Body=json.dumps(changed))
    assert "CorsConfiguration" not in told
    after = {r["RouteKey"]: r["RouteId"] for r in gateway.api.get_routes(ApiId=api_id)["Items"]}
    assert set(after) == {"GET /t/{id}", "ANY /u", "POST /iam", "GET /new"}
    assert after["ANY /u"] == before["ANY /u"]
    assert gateway.visit(api_id, path="/elsewhere").status == 404
    assert gateway.visit(api_id, path="/new").body == b"GET /new"


def test_base_path_and_shared_integrations(gateway) -> None:
    document = {
        "openapi": "3.0.1",
        "info": {"title": "t"},
        "servers": [
            {"url": "https://x.example/{base}", "variables": {"base": {"default": "v1/a"}}}
        ],
        "paths": {
            "/x": {
                "get": {
                    "x-amazon-apigateway-integration": {
                        "$ref": "#/components/x-amazon-apigateway-integrations/one"
                    }
                }
            }
        },
        "components": {
            "x-amazon-apigateway-integrations": {
                "one": {"type": "http_proxy", "httpMethod": "ANY", "uri": "https://example.com/"}
            }
        },
    }
    for base_path, key in (("ignore", "/x"), ("prepend", "/v1/a/x"), ("split", "/a/x")):
        made = gateway.api.import_api(Body=json.dumps(document), Basepath=base_path)
        [route] = gateway.api.get_routes(ApiId=made["ApiId"])["Items"]
        assert route["RouteKey"] == f"GET {key}"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        "a: [",
        '{"swagger": "2.0"}',
        '{"openapi": "3.0.1", "info": {}, "paths": {}}',
        '{"openapi": "3.0.1", "info": {"title": "t"}, "paths": []}',
        '{"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/{a": {"get": {}}}}',
        '{"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/a": {"get":'
        ' {"x-amazon-apigateway-integration": {"type": "mock"}}}}}',
    ],
)
def test_bad_definitions_are_refused_whole(gateway, body: str) -> None:
    with pytest.raises(ClientError) as error:
        gateway.unvalidated("apigatewayv2").import_api(Body=body)
    assert error.value.response["Error"]["Code"] == "BadRequestException"
    assert gateway.api.get_apis()["Items"] == []


def test_fail_on_warnings(gateway) -> None:
    document = {"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/a": {"get": {}}}}
    made = gateway.api.import_api(Body=json.dumps(document))
    assert made["Warnings"] == ["No integration is defined for route GET /a"]
    with pytest.raises(ClientError) as error:
        gateway.api.import_api(Body=json.dumps(document), FailOnWarnings=True)
    assert "Warnings found during import" in error.value.response["Error"]["Message"]
