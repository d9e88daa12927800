"""APIs: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_created_api_has_awss_defaults(gateway) -> None:
    made = gateway.api.create_api(Name="a", ProtocolType="HTTP", Tags={"k": "v"})
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    api_id = made["ApiId"]
    assert len(api_id) == 10
    for told in (made, gateway.api.get_api(ApiId=api_id)):
        told.pop("ResponseMetadata")
        assert told.pop("CreatedDate").timestamp() == pytest.approx(gateway.clock.now(), abs=1)
        assert told == {
            "ApiEndpoint": f"http://{api_id}.execute-api.localhost:4566",
            "ApiId": api_id,
            "ApiKeySelectionExpression": "$request.header.x-api-key",
            "DisableExecuteApiEndpoint": False,
            "IpAddressType": "ipv4",
            "Name": "a",
            "ProtocolType": "HTTP",
            "RouteSelectionExpression": "$request.method $request.path",
            "Tags": {"k": "v"},
        }


def test_listing_has_pages(gateway) -> None:
    ids = {gateway.api.create_api(Name=str(n), ProtocolType="HTTP")["ApiId"] for n in range(5)}
    first = gateway.api.get_apis(MaxResults="2")
    second = gateway.api.get_apis(MaxResults="2", NextToken=first["NextToken"])
    third = gateway.api.get_apis(MaxResults="2", NextToken=second["NextToken"])
    assert "NextToken" not in third
    assert {item["ApiId"] for page in (first, second, third) for item in page["Items"]} == ids
    with pytest.raises(ClientError) as error:
        gateway.api.get_apis(NextToken="nonsense")
    assert code_of(error) == ("BadRequestException", 400)


def test_update_and_delete(gateway) -> None:
    api_id = gateway.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    told = gateway.api.update_api(
        ApiId=api_id,
        Description="d",
        CorsConfiguration={"AllowOrigins": ["https://x"], "MaxAge": 5},
    )
    assert told["Description"] == "d"
    assert told["CorsConfiguration"] == {
        "AllowCredentials": False,
        "AllowOrigins": ["https://x"],
        "MaxAge": 5,
    }
    gateway.api.delete_cors_configuration(ApiId=api_id)
    assert "CorsConfiguration" not in gateway.api.get_api(ApiId=api_id)
    answer = gateway.api.delete_api(ApiId=api_id)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as error:
        gateway.api.get_api(ApiId=api_id)
    assert code_of(error) == ("NotFoundException", 404)
    assert error.value.response["Error"]["Message"] == (
        f"Invalid API identifier specified 000000000000:{api_id}"
    )


def test_quick_create_serves_at_once(gateway) -> None:
    api_id = gateway.quick(lambda event: {"hello": event["rawPath"]})
    answer = gateway.visit(api_id, path="/x/y")
    assert (answer.status, answer.body) == (200, b'{"hello":"/x/y"}')
    [route] = gateway.api.get_routes(ApiId=api_id)["Items"]
    assert (route["RouteKey"], route["ApiGatewayManaged"]) == ("$default", True)
    [stage] = gateway.api.get_stages(ApiId=api_id)["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    gateway.api.update_api(ApiId=api_id, RouteKey="GET /only")
    assert gateway.visit(api_id, path="/x").status == 404
    assert gateway.visit(api_id, path="/only").status == 200


def test_what_is_refused(gateway) -> None:
    with pytest.raises(ClientError) as error:
        gateway.api.create_api(Name="a", ProtocolType="WEBSOCKET")
    assert code_of(error) == ("NotImplemented", 501)
    with pytest.raises(ClientError) as error:
        gateway.api.create_api(Name="a", ProtocolType="HTTP", RouteKey="GET /")
    assert code_of(error) == ("BadRequestException", 400)
    with pytest.raises(ClientError) as error:
        gateway.api.create_api(Name="a", ProtocolType="HTTP", Target="no target")
    assert code_of(error) == ("BadRequestException", 400)
    assert gateway.api.get_apis()["Items"] == []


def test_tags(gateway) -> None:
    api_id = gateway.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api_id}"
    gateway.api.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
    gateway.api.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert gateway.api.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"}
    assert gateway.api.get_api(ApiId=api_id)["Tags"] == {"b": "2"}
    with pytest.raises(ClientError) as error:
        gateway.api.get_tags(ResourceArn=arn + "x")
    assert code_of(error) == ("NotFoundException", 404)
