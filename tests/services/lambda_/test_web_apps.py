"""Web applications as they are: FastAPI and Flask behind a function URL, by Mangum and by the web adapter pattern.

https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html, https://github.com/awslabs/aws-lambda-web-adapter
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import re
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make

PYTHON = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
NEEDED = ("fastapi", "mangum", "flask", "uvicorn", "a2wsgi")
FASTAPI = """
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()

class Item(BaseModel):
    name: str
    price: float = 1.0

@app.get("/items/{number}")
def item(number: int, q: str = ""):
    if number == 404:
        raise HTTPException(404, "no such item")
    return {"number": number, "q": q}

@app.post("/items", status_code=201)
async def create(item: Item, request: Request, response: Response):
    response.set_cookie("last", item.name)
    return {"made": item.name, "price": item.price, "seen": request.cookies.get("seen")}

@app.get("/binary")
def binary():
    return Response(bytes(range(256)), media_type="image/png")

@app.get("/stream")
def stream():
    return StreamingResponse((f"piece {n};" for n in range(3)), media_type="text/plain")

try:
    from mangum import Mangum
    handler = Mangum(app, lifespan="off")
except ImportError:
    pass
"""
FLASK = """
from a2wsgi import WSGIMiddleware
from flask import Flask, request, jsonify
from mangum import Mangum

app = Flask(__name__)

@app.route("/echo/<name>", methods=["GET", "POST"])
def echo(name):
    return jsonify(name=name, args=request.args, form=request.form), 202

handler = Mangum(WSGIMiddleware(app), lifespan="off")
"""
# What the adapter does, by its documented settings: waits until the application answers, then speaks for it.
ADAPTER = """#!{python} -I
import base64, http.client, json, os, threading
port = int(os.environ.get("AWS_LWA_PORT") or os.environ["PORT"])
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
api.request("POST", "/2020-01-01/extension/register", "{{}}", {{"Lambda-Extension-Name": "lambda-adapter"}})
answer = api.getresponse(); answer.read()
own = {{"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}}
while True:
    try:
        web = http.client.HTTPConnection("127.0.0.1", port)
        web.request("GET", os.environ.get("AWS_LWA_READINESS_CHECK_PATH", "/"))
        web.getresponse().read()
        break
    except OSError:
        threading.Event().wait(0.01)
if os.fork() == 0:
    api.request("GET", "/2020-01-01/extension/event/next", headers=own)
    api.getresponse()
streams = os.environ.get("AWS_LWA_INVOKE_MODE") == "response_stream"
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = runtime.getresponse()
    event = json.loads(answer.read())
    path = "/2018-06-01/runtime/invocation/" + answer.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    body = event.get("body", "").encode()
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    web = http.client.HTTPConnection("127.0.0.1", port)
    query = "?" + event["rawQueryString"] if event["rawQueryString"] else ""
    web.request(event["requestContext"]["http"]["method"], event["rawPath"] + query, body, event["headers"])
    page = web.getresponse()
    head = {{"statusCode": page.status, "headers": dict(page.getheaders())}}
    if streams:
        def pieces():
            yield json.dumps(head).encode() + bytes(8)
            while piece := page.read1(65536):
                yield piece
        kind = "application/vnd.awslambda.http-integration-response"
        headers = {{"Lambda-Runtime-Function-Response-Mode": "streaming", "Content-Type": kind, "Transfer-Encoding": "chunked"}}
        runtime.request("POST", path, pieces(), headers, encode_chunked=True)
    else:
        head |= {{"body": base64.b64encode(page.read()).decode(), "isBase64Encoded": True}}
        runtime.request("POST", path, json.dumps(head))
    runtime.getresponse().read()
"""
STARTER = '#!/bin/sh\nexec "${LAMBDA_TASK_ROOT}/${_HANDLER}"\n'
RUN = f'#!/bin/sh\nexec {PYTHON} -m uvicorn --host 127.0.0.1 --port "$PORT" --log-level warning app:app\n'


def installed() -> bool:
    """Whether the applications' libraries are there."""
    try:
        return all(importlib.metadata.version(name) for name in NEEDED)
    except importlib.metadata.PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not installed(), reason=f"{', '.join(NEEDED)} are not installed")


@cache
def packages(*names: str) -> dict[str, bytes]:
    """The files of these distributions and of what they need, as `pip install -t` lays them down."""
    found: dict[str, bytes] = {}
    wanted, seen = list(names), set()
    while wanted:
        name = wanted.pop().lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for other platforms, or an extra
        for file in distribution.files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file():
                found[str(file)] = path.read_bytes()
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                wanted.append(re.split(r"[^\w.-]", requirement)[0])
    return found


def archived(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


@pytest.fixture
def deploy(make_function: Make, awslambda: Any) -> Any:
    """Deploys an application and gives its URL."""

    def make(
        files: dict[str, str | bytes], *, auth: str = "NONE", mode: str = "BUFFERED", **given: Any
    ) -> str:
        settings = {"Timeout": 30, "MemorySize": 512, **given}
        make_function(archived(files), name="web", **settings)
        made = awslambda.create_function_url_config(
            FunctionName="web",
            AuthType=auth,
            InvokeMode=mode,
            Cors={"AllowOrigins": ["https://shop.example"], "AllowMethods": ["GET", "POST"]},
        )
        if auth == "NONE":
            awslambda.add_permission(
                FunctionName="web",
                StatementId="public",
                Action="lambda:InvokeFunctionUrl",
                Principal="*",
                FunctionUrlAuthType="NONE",
            )
        return str(made["FunctionUrl"])

    return make


def headers_of(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers}


def test_fastapi_by_mangum(cloud: Cloud, deploy: Any):
    url = deploy({"app.py": FASTAPI, **packages("fastapi", "mangum")})
    answer = cloud.http("GET", f"{url}items/7?q=a%20b")
    assert (answer.status, json.loads(answer.body)) == (200, {"number": 7, "q": "a b"})
    body = json.dumps({"name": "caf\u00e9", "price": 2.5}).encode()
    sent = {"Content-Type": "application/json", "Cookie": "seen=yes"}
    answer = cloud.http("POST", f"{url}items", sent, body)
    assert answer.status == 201
    assert json.loads(answer.body) == {"made": "caf\u00e9", "price": 2.5, "seen": "yes"}
    assert "last=" in headers_of(answer)["set-cookie"]
    answer = cloud.http("POST", f"{url}items", sent, b'{"price": "x"}')
    assert answer.status == 422
    assert cloud.http("GET", f"{url}items/404").status == 404
    answer = cloud.http("GET", f"{url}binary")
    assert (headers_of(answer)["content-type"], answer.body) == ("image/png", bytes(range(256)))
    answer = cloud.http("GET", f"{url}stream")
    assert answer.body == b"piece 0;piece 1;piece 2;"
    _check_cors(cloud, url)


def _check_cors(cloud: Cloud, url: str) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST"}
    preflight = headers_of(cloud.http("OPTIONS", f"{url}items", asked))
    assert preflight["access-control-allow-origin"] == "https://shop.example"
    assert "POST" in preflight["access-control-allow-methods"]
    answer = headers_of(cloud.http("GET", f"{url}items/1", origin))
    assert answer["access-control-allow-origin"] == "https://shop.example"
    other = headers_of(cloud.http("GET", f"{url}items/1", {"Origin": "https://other.example"}))
    assert "access-control-allow-origin" not in other


def test_flask_by_mangum(cloud: Cloud, deploy: Any):
    url = deploy({"app.py": FLASK, **packages("flask", "mangum", "a2wsgi")})
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = cloud.http("POST", f"{url}echo/ann?a=1", sent, b"b=2&c=%C3%A9")
    assert answer.status == 202
    assert json.loads(answer.body) == {
        "name": "ann",
        "args": {"a": "1"},
        "form": {"b": "2", "c": "\u00e9"},
    }


def test_only_who_may_when_iam_decides(cloud: Cloud, deploy: Any):
    url = deploy({"app.py": FASTAPI, **packages("fastapi", "mangum")}, auth="AWS_IAM")
    assert cloud.http("GET", f"{url}items/1").status == 403
    iam = cloud.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    signed = _signed(url + "items/1", key)
    assert cloud.http("GET", f"{url}items/1", signed).status == 403
    allow = {
        "Effect": "Allow",
        "Action": ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"],
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName="ann", PolicyName="web", PolicyDocument=policy)
    answer = cloud.http("GET", f"{url}items/1", _signed(url + "items/1", key))
    assert (answer.status, json.loads(answer.body)["number"]) == (200, 1)


def _signed(url: str, key: Any) -> dict[str, str]:
    request = AWSRequest("GET", url)
    credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def adapted(awslambda: Any, mode: str) -> dict[str, Any]:
    """The settings of a function whose application runs behind the adapter's layer."""
    layer = {"bootstrap": STARTER, "extensions/lambda-adapter": ADAPTER.format(python=PYTHON)}
    made = awslambda.publish_layer_version(
        LayerName="adapter", Content={"ZipFile": archived(layer)}
    )
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "PORT": "8000",
        "AWS_LWA_INVOKE_MODE": mode,
        "PYTHONPATH": "/var/task",
    }
    return {
        "Layers": [made["LayerVersionArn"]],
        "Handler": "run.sh",
        "Environment": {"Variables": variables},
    }


@pytest.mark.parametrize("streams", [False, True])
def test_fastapi_behind_the_web_adapter(cloud: Cloud, deploy: Any, awslambda: Any, streams: bool):
    if cloud.house.isolation()["level"] != "sandboxed":
        pytest.skip("extensions run in sandboxes only")
    mode = "RESPONSE_STREAM" if streams else "BUFFERED"
    settings = adapted(awslambda, "response_stream" if streams else "buffered")
    files = {"app.py": FASTAPI, "run.sh": RUN, **packages("fastapi", "uvicorn")}
    url = deploy(files, mode=mode, **settings)
    answer = cloud.http("GET", f"{url}items/7?q=x")
    assert (answer.status, json.loads(answer.body)) == (200, {"number": 7, "q": "x"})
    sent = {"Content-Type": "application/json"}
    answer = cloud.http("POST", f"{url}items", sent, b'{"name": "n"}')
    assert (answer.status, json.loads(answer.body)["made"]) == (201, "n")
    assert cloud.http("GET", f"{url}nope").status == 404
    assert cloud.http("GET", f"{url}binary").body == bytes(range(256))
    assert cloud.http("GET", f"{url}stream").body == b"piece 0;piece 1;piece 2;"
