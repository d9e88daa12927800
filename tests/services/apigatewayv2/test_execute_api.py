"""The data plane: routes, payloads, answers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import json

import orjson
import pytest


def test_payload_2_is_complete(gateway) -> None:
    api_id = gateway.served("2.0", "POST /my/{thing}")
    gateway.function("f", lambda event: "ok")
    answer = gateway.visit(
        api_id,
        "POST",
        "/my/pa%20th?parameter1=value1&parameter1=value2&parameter2=value&e=",
        {
            "Content-Type": "text/plain",
            "Cookie": "cookie1=a; cookie2=b",
            "Header1": "value1",
            "User-Agent": "agent",
        },
        b"Hello",
    )
    assert (answer.status, answer.body) == (200, b"ok")
    [event] = gateway.functions.events
    host = f"{api_id}.execute-api.localhost"
    context = event["requestContext"]
    assert event == {
        "version": "2.0",
        "routeKey": "POST /my/{thing}",
        # HTTP APIs hand over a decoded path.
        "rawPath": "/my/pa th",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value&e=",
        "cookies": ["cookie1=a", "cookie2=b"],
        "headers": {
            "content-length": "5",
            "content-type": "text/plain",
            "header1": "value1",
            "host": f"{host}:4566",
            "user-agent": "agent",
            "x-amzn-trace-id": event["headers"]["x-amzn-trace-id"],
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "4566",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value", "e": ""},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": api_id,
            "domainName": host,
            "domainPrefix": api_id,
            "http": {
                "method": "POST",
                "path": "/my/pa th",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "agent",
            },
            "requestId": context["requestId"],
            "routeKey": "POST /my/{thing}",
            "stage": "$default",
            "time": context["time"],
            "timeEpoch": int(gateway.clock.now() * 1000),
        },
        "body": "Hello",
        "pathParameters": {"thing": "pa th"},
        "isBase64Encoded": False,
    }
    assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-")
    assert dict(answer.headers)["Apigw-Requestid"] == context["requestId"]


def test_payload_1_is_complete(gateway) -> None:
    api_id = gateway.served("1.0", "GET /my/path")
    gateway.function("f", lambda event: {"statusCode": 200})
    gateway.visit(api_id, "GET", "/my/path?a=1&a=2&b=3", {"Header1": "value1"})
    [event] = gateway.functions.events
    context = event.pop("requestContext")
    assert event["headers"].pop("X-Amzn-Trace-Id")
    assert event["multiValueHeaders"].pop("X-Amzn-Trace-Id")
    host = f"{api_id}.execute-api.localhost"
    assert event == {
        "version": "1.0",
        "resource": "/my/path",
        "path": "/my/path",
        "httpMethod": "GET",
        "headers": {
            "Content-Length": "0",
            "Host": f"{host}:4566",
            "Header1": "value1",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "4566",
            "X-Forwarded-Proto": "http",
        },
        "multiValueHeaders": {
            "Content-Length": ["0"],
            "Host": [f"{host}:4566"],
            "Header1": ["value1"],
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["4566"],
            "X-Forwarded-Proto": ["http"],
        },
        "queryStringParameters": {"a": "2", "b": "3"},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["3"]},
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    }
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["authorizer"] == {"claims": None, "scopes": None}
    assert context["resourcePath"] == "/my/path"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("text/html; charset=utf-8", "ä".encode(), "ä"),
        ("application/problem+json", b"{}", "{}"),
        ("application/octet-stream", b"abc", None),
        ("application/x-www-form-urlencoded", b"a=1", None),
        ("text/plain", b"\xff", None),
    ],
)
def test_body_is_base64_unless_text(gateway, content_type, body, text) -> None:
    api_id = gateway.quick(lambda event: "ok")
    gateway.visit(api_id, "POST", "/", {"Content-Type": content_type}, body)
    [event] = gateway.functions.events
    assert event["isBase64Encoded"] == (text is None)
    assert event["body"] == (text if text is not None else base64.b64encode(body).decode())


@pytest.mark.parametrize(
    ("result", "status", "body", "content_type"),
    [
        # "Format of the answer is inferred" in the documentation above.
        ("Hello from Lambda!", 200, b"Hello from Lambda!", "application/json"),
        ({"message": "x"}, 200, b'{"message":"x"}', "application/json"),
        ([1, 2], 200, b"[1,2]", "application/json"),
        (None, 200, b"null", "application/json"),
        ({"statusCode": 201, "body": "made"}, 201, b"made", "text/plain; charset=utf-8"),
        ({"statusCode": "202"}, 202, b"", "text/plain; charset=utf-8"),
        (
            {"statusCode": 200, "headers": {"content-type": "image/png"}, "body": "iVBO", "isBase64Encoded": True},
            200,
            base64.b64decode("iVBO"),
            "image/png",
        ),
    ],
)  # fmt: skip
def test_answers_of_format_2(gateway, result, status, body, content_type) -> None:
    api_id = gateway.quick(lambda event: result)
    answer = gateway.visit(api_id)
    headers = {name.lower(): value for name, value in answer.headers}
    assert (answer.status, answer.body, headers["content-type"]) == (status, body, content_type)


def test_cookies_and_headers_of_answers(gateway) -> None:
    result = {
        "statusCode": 200,
        "headers": {"X-Number": 5, "X-Truth": True, "X-None": None},
        "cookies": ["a=1; Secure", "b=2"],
    }
    api_id = gateway.quick(lambda event: result)
    headers = gateway.visit(api_id).headers
    assert [value for name, value in headers if name == "Set-Cookie"] == ["a=1; Secure", "b=2"]
    assert ("X-Number", "5") in headers
    assert ("X-Truth", "true") in headers
    assert "X-None" not in dict(headers)


def test_multi_value_headers_of_format_1(gateway) -> None:
    api_id = gateway.served("1.0", "GET /")
    gateway.function(
        "f",
        lambda event: {
            "statusCode": 200,
            "headers": {"a": "0", "b": "1"},
            "multiValueHeaders": {"A": ["1", "2"]},
            "body": "x",
        },
    )
    headers = gateway.visit(api_id).headers
    assert [value for name, value in headers if name.lower() == "a"] == ["1", "2"]
    assert ("b", "1") in headers


@pytest.mark.parametrize(
    ("version", "result"),
    [
        ("1.0", {"message": "no status"}),
        ("1.0", {"statusCode": 200, "body": {"not": "text"}}),
        ("2.0", {"statusCode": "many"}),
        ("2.0", {"statusCode": 101}),
        ("2.0", {"statusCode": 600}),
        ("2.0", {"statusCode": True}),
        ("2.0", {"statusCode": 200, "headers": {"X Y": "a"}}),
        ("2.0", {"statusCode": 200, "headers": ["a"]}),
        ("2.0", {"statusCode": 200, "cookies": "a=b"}),
        ("2.0", {"statusCode": 200, "headers": {"X": "a\r\nY: b"}}),
        ("2.0", {"statusCode": 200, "isBase64Encoded": True, "body": "?"}),
        ("2.0", b"no json"),
    ],
)
def test_unusable_answers_are_500(gateway, version, result) -> None:
    api_id = gateway.served(version, "GET /")
    gateway.function("f", lambda event: result)
    answer = gateway.visit(api_id)
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


def test_failing_and_unreachable_functions_are_500(gateway) -> None:
    def fails(event):
        raise ValueError("x")

    api_id = gateway.quick(fails)
    assert gateway.visit(api_id).body == b'{"message":"Internal Server Error"}'
    other = gateway.served("2.0", "GET /")
    gateway.functions.code.clear()
    assert gateway.visit(other).status == 500


def test_functions_policy_is_judged_by_the_routes_arn(gateway) -> None:
    api_id = gateway.served("2.0", "GET /a/{id}", "ANY /b", "$default")
    gateway.function("f", lambda event: "ok")
    root = f"arn:aws:execute-api:us-east-1:000000000000:{api_id}"
    gateway.functions.allowed["f"] = f"{root}/*/GET/a/*"
    assert gateway.visit(api_id, path="/a/1").status == 200
    assert gateway.visit(api_id, path="/b").status == 500
    assert gateway.functions.sources == [root + "/$default/GET/a/{id}"]
    gateway.functions.allowed["f"] = f"{root}/*/*/b"
    assert gateway.visit(api_id, "PUT", "/b").status == 200
    gateway.functions.allowed["f"] = f"{root}/*/$default"
    assert gateway.visit(api_id, "PUT", "/c").status == 200
    assert gateway.functions.sources[1:] == [root + "/$default/PUT/b", root + "/$default/$default"]


def test_named_stage_is_a_path_segment_and_in_the_path_shown(gateway) -> None:
    api_id = gateway.served("2.0", "GET /pets/{id}", stage="dev")
    gateway.api.update_stage(ApiId=api_id, StageName="dev", StageVariables={"a": "1"})
    gateway.function(
        "f", lambda event: [event["rawPath"], event["stageVariables"], event["pathParameters"]]
    )
    assert orjson.loads(gateway.visit(api_id, path="/dev/pets/7").body) == [
        "/dev/pets/7",
        {"a": "1"},
        {"id": "7"},
    ]
    answer = gateway.visit(api_id, path="/pets/7")
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')


def test_path_forms_and_other_hosts(gateway) -> None:
    api_id = gateway.served("2.0", "GET /x", stage="dev")
    gateway.function("f", lambda event: event["rawPath"])
    base = "http://127.0.0.1:4566"
    for url in (
        f"{base}/restapis/{api_id}/dev/_user_request_/x",
        f"{base}/_aws/execute-api/{api_id}/dev/x",
        f"http://{api_id}.execute-api.us-east-1.localhost:4566/dev/x",
        f"http://{api_id}.execute-api.localhost.localstack.cloud:4566/dev/x",
        f"https://{api_id}.execute-api.us-east-1.amazonaws.com/dev/x",
    ):
        answer = gateway.http("GET", url)
        assert (answer.status, answer.body) == (200, b"/dev/x"), url
    for url in (
        f"{base}/_aws/execute-api/{api_id}/prod/x",
        f"{base}/_aws/execute-api/{api_id}",
        f"{base}/restapis/{api_id}/prod/_user_request_/x",
        "http://nothing.execute-api.localhost:4566/x",
    ):
        assert gateway.http("GET", url).status == 404, url


def test_management_of_rest_apis_is_refused_loudly(gateway) -> None:
    answer = gateway.http("GET", "http://127.0.0.1:4566/restapis/abc/resources")
    assert answer.status == 501
    assert b"not implemented" in answer.body


def test_cors(gateway) -> None:
    cors = {
        "AllowOrigins": ["https://a.example", "https://*.b.example"],
        "AllowMethods": ["GET", "POST"],
        "AllowHeaders": ["x-one"],
        "ExposeHeaders": ["x-two"],
        "MaxAge": 60,
        "AllowCredentials": True,
    }
    result = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "own"}, "body": ""}
    api_id = gateway.quick(lambda event: result, CorsConfiguration=cors)
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    answer = gateway.visit(api_id, "OPTIONS", "/any", ask)
    headers = dict(answer.headers)
    headers.pop("Apigw-Requestid")
    assert answer.status == 204
    assert headers == {
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "x-one",
        "access-control-allow-credentials": "true",
        "access-control-max-age": "60",
    }
    assert gateway.functions.events == []
    stranger = gateway.visit(api_id, "OPTIONS", "/", {**ask, "Origin": "https://c.example"})
    assert (stranger.status, len(stranger.headers)) == (204, 1)
    answer = gateway.visit(api_id, headers={"Origin": "https://x.b.example"})
    headers = {name: value for name, value in answer.headers if name.lower().startswith("access")}
    assert headers == {
        "access-control-allow-origin": "https://x.b.example",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-two",
    }
    # Without Origin nothing is said, and the function's own headers are ignored all the same.
    assert not [n for n, _ in gateway.visit(api_id).headers if n.lower().startswith("access")]


def test_stage_variables_choose_the_function(gateway) -> None:
    api_id = gateway.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    uri = "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.name}"
    made = gateway.api.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=uri, PayloadFormatVersion="2.0"
    )
    gateway.api.create_route(
        ApiId=api_id, RouteKey="$default", Target=f"integrations/{made['IntegrationId']}"
    )
    for name in ("one", "two"):
        gateway.function(name, lambda event, name=name: name)
        gateway.api.create_stage(
            ApiId=api_id, StageName=name, AutoDeploy=True, StageVariables={"name": name}
        )
    assert gateway.visit(api_id, path="/one/x").body == b"one"
    assert gateway.visit(api_id, path="/two").body == b"two"


def test_http_proxy_goes_to_another_api_with_mapped_parameters(gateway) -> None:
    behind = gateway.quick(lambda event: event)
    api_id = gateway.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    made = gateway.api.create_integration(
        ApiId=api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="ANY",
        IntegrationUri=f"http://{behind}.execute-api.localhost:4566/base/{{proxy}}?own=1",
        RequestParameters={
            "append:header.x-from": "$request.header.x-id",
            "remove:querystring.secret": "",
            "overwrite:querystring.id": "$request.path.proxy",
        },
        ResponseParameters={"200": {"overwrite:statuscode": "203", "append:header.x-back": "yes"}},
    )
    gateway.api.create_route(
        ApiId=api_id, RouteKey="ANY /in/{proxy+}", Target=f"integrations/{made['IntegrationId']}"
    )
    gateway.api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    answer = gateway.visit(
        api_id, "POST", "/in/a/b?secret=1&q=2", {"X-Id": "7", "Content-Type": "text/plain"}, b"hi"
    )
    event = json.loads(answer.body)
    assert answer.status == 203
    assert dict(answer.headers)["x-back"] == "yes"
    assert event["rawPath"] == "/base/a/b"
    assert event["queryStringParameters"] == {"own": "1", "q": "2", "id": "a/b"}
    assert event["headers"]["x-from"] == "7"
    assert (event["requestContext"]["http"]["method"], event["body"]) == ("POST", "hi")


def test_first_class_integration_sends_a_message_as_its_role(gateway) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services.html"""
    sqs, iam = gateway.client("sqs"), gateway.client("iam")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(
        RoleName="r",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    api_id = gateway.api.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    made = gateway.api.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype="SQS-SendMessage",
        PayloadFormatVersion="1.0",
        CredentialsArn=role,
        RequestParameters={
            "QueueUrl": url,
            "MessageBody": "$request.body.text",
            "DelaySeconds": "0",
        },
    )
    target = f"integrations/{made['IntegrationId']}"
    gateway.api.create_route(ApiId=api_id, RouteKey="POST /m", Target=target)
    gateway.api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    body = b'{"text": "hello"}'
    answer = gateway.visit(api_id, "POST", "/m", {"Content-Type": "application/json"}, body)
    assert answer.status in (400, 403)  # The role may not send yet.
    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    iam.put_role_policy(
        RoleName="r",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    answer = gateway.visit(api_id, "POST", "/m", {"Content-Type": "application/json"}, body)
    assert answer.status == 200
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "hello"
    assert orjson.loads(answer.body)["MessageId"] == message["MessageId"]
