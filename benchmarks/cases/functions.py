"""Lambda, API Gateway in front of it, and Step Functions."""

from __future__ import annotations

import contextlib
import io
import json
import re
import time
import urllib.request
import uuid
import zipfile

from ends import REGION, Case, End

HANDLER = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'headers': {'content-type': 'application/json'}, 'body': json.dumps({'ok': True})}\n"
TRUSTED = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
ROLE = "arn:aws:iam::000000000000:role/bench"


def zipped() -> bytes:
    """The function's code."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", HANDLER)
    return buffer.getvalue()


def role_of(end: End) -> str:
    """A role for functions; some peers know none, and take any ARN."""
    iam = end.client("iam")
    with contextlib.suppress(Exception):
        made = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(TRUSTED))
        return str(made["Role"]["Arn"])
    with contextlib.suppress(Exception):
        return str(iam.get_role(RoleName="bench")["Role"]["Arn"])
    return ROLE


def make_function(end: End, name: str) -> str:
    """A function that is warm; its ARN."""
    client = end.client("lambda")
    arn = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="app.handler",
        Role=role_of(end),
        Code={"ZipFile": zipped()},
    )["FunctionArn"]
    for _ in range(100):
        told = client.get_function(FunctionName=name)["Configuration"]
        if told.get("State", "Active") == "Active":
            break
        time.sleep(0.1)
    client.invoke(FunctionName=name)
    return str(arn)


def invoke(end: End) -> Case:
    """A warm function, invoked."""
    name = "bench-" + uuid.uuid4().hex[:8]
    make_function(end, name)
    headers = {"Content-Type": "application/json"}
    path = f"/2015-03-31/functions/{name}/invocations"
    return {"lambda_invoke": [end.signed("lambda", path=path, headers=headers, body=b'{"k":1}')]}


def api(end: End) -> Case:
    """An HTTP API with a function behind it, by whichever host name the endpoint understands."""
    name = "bench-" + uuid.uuid4().hex[:8]
    arn = make_function(end, name)
    id = end.client("apigatewayv2").create_api(Name=name, ProtocolType="HTTP", Target=arn)["ApiId"]
    with contextlib.suppress(Exception):
        end.client("lambda").add_permission(
            FunctionName=name,
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
    port = re.sub(r"^https?://", "", end.url).split(":")[1]
    for host in (
        f"{id}.execute-api.localhost.localstack.cloud:{port}",
        f"{id}.execute-api.{REGION}.localhost:{port}",
        f"{id}.execute-api.localhost:{port}",
        f"{id}.execute-api.{REGION}.amazonaws.com",
    ):
        with contextlib.suppress(Exception):
            request = urllib.request.Request(end.url + "/", headers={"Host": host})
            if b'"ok": true' in urllib.request.urlopen(request, timeout=30).read():
                sent = {"method": "GET", "path": "/", "headers": {"Host": host}, "body": ""}
                return {"apigw_lambda": [sent]}
    raise RuntimeError("no execute-api host answered")


def express(end: End) -> Case:
    """An express state machine of six states, run synchronously."""
    states: dict[str, object] = {
        f"S{i}": {"Type": "Pass", "Next": f"S{i + 1}"} for i in range(5)
    } | {"S5": {"Type": "Succeed"}}
    arn = end.client("stepfunctions").create_state_machine(
        name="bench-" + uuid.uuid4().hex[:8],
        type="EXPRESS",
        roleArn=ROLE,
        definition=json.dumps({"StartAt": "S0", "States": states}),
    )["stateMachineArn"]
    asked = {"stateMachineArn": arn, "input": "{}"}
    return {"sfn_sync6": [end.json_call("states", "AWSStepFunctions.StartSyncExecution", asked)]}
