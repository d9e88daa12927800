"""Wrapper scripts and extensions.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html and runtimes-extensions-api.html"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes.spec import FunctionSpec
from tests.runtimes.conftest import Bench, needs_node

PYTHON = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
HANDLER = """
import os, time
def handler(event, context):
    return [event, os.environ.get("WRAPPED"), os.path.exists("/tmp/registered"), context.function_name]
"""
WRAPPER = """#!/bin/sh
export WRAPPED=yes
exec "$@"
"""
EXTENSION = """#!{python} -I
import http.client, json, os, sys
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
name = os.path.basename(sys.argv[0])
headers = {{"Lambda-Extension-Name": name}}
body = json.dumps({{"events": ["INVOKE", "SHUTDOWN"]}})
api.request("POST", "/2020-01-01/extension/register", body, headers)
answer = api.getresponse()
about = json.loads(answer.read())
own = {{"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}}
open("/tmp/registered", "w").write(about["functionName"])
while True:
    api.request("GET", "/2020-01-01/extension/event/next", headers=own)
    event = json.loads(api.getresponse().read())
    print("extension", event["eventType"], event.get("shutdownReason", ""), flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
"""


def layered(bench: Bench, spec: FunctionSpec, files: dict[str, str]) -> dict[str, Any]:
    """The layers member of a spec: one folder with these programs."""
    folder = Path(spec.code).parent / (Path(spec.code).name + "-layer")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return {"layers": (str(folder),)}


def rebuilt(spec: FunctionSpec, **changes: Any) -> FunctionSpec:
    members = {name: getattr(spec, name) for name in spec.__struct_fields__}
    return FunctionSpec(**{**members, **changes})


def test_a_wrapper_starts_the_python_runtime(sandboxed: Bench):
    spec = sandboxed.function(
        HANDLER, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}, name="own"
    )
    spec = rebuilt(spec, **layered(sandboxed, spec, {"wrapper": WRAPPER}))
    first, second = sandboxed.invoke(spec, 1), sandboxed.invoke(spec, 2)
    assert json.loads(first.payload) == [1, "yes", False, "own"]
    assert json.loads(second.payload)[0] == 2
    assert second.init_ms is None


@needs_node()
def test_a_wrapper_starts_the_node_runtime(sandboxed: Bench):
    source = "exports.handler = async (event) => [event, process.env.WRAPPED];"
    spec = sandboxed.function(
        source,
        file="app.js",
        runtime="nodejs20.x",
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"},
    )
    spec = rebuilt(spec, **layered(sandboxed, spec, {"wrapper": WRAPPER}))
    assert json.loads(sandboxed.invoke(spec, 1).payload) == [1, "yes"]


def test_a_wrapper_that_is_not_there(sandboxed: Bench):
    # The message is recorded from the real service.
    spec = sandboxed.function(HANDLER, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/idontexist.sh"})
    payload = json.loads(sandboxed.invoke(spec).payload)
    assert payload["errorType"] == "Runtime.ExitError"
    assert payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 127")


def test_an_extension_is_told_of_invocations_and_of_the_end(sandboxed: Bench):
    spec = sandboxed.function(HANDLER, name="own")
    program = EXTENSION.format(python=PYTHON)
    spec = rebuilt(spec, **layered(sandboxed, spec, {"extensions/teller": program}))
    outcome = sandboxed.invoke(spec, "x")
    assert json.loads(outcome.payload) == ["x", None, True, "own"]
    sandboxed.invoke(spec, "y")
    sandboxed.lines.clear()
    sandboxed.pool.discard(spec.key)
    sandboxed.run(asyncio.sleep(0.5))
    text = "".join(line.message for line in sandboxed.lines)
    assert "extension SHUTDOWN spindown" in text


@pytest.mark.parametrize("when", ["at once", "later"])
def test_an_extension_that_ends_takes_the_environment_with_it(sandboxed: Bench, when: str):
    # https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
    spec = sandboxed.function(HANDLER, name="own")
    program = "#!/bin/sh\nexit 3\n"
    if when == "later":
        program = EXTENSION.format(python=PYTHON).replace(
            'if event["eventType"] == "SHUTDOWN":\n        break', "sys.exit(3)"
        )
    spec = rebuilt(spec, **layered(sandboxed, spec, {"extensions/crasher": program}))
    outcome = sandboxed.invoke(spec, 1)
    if when == "later":
        sandboxed.run(asyncio.sleep(0.3))
        assert json.loads(sandboxed.invoke(spec, 1).payload)[0] == 1  # in a new environment
        return
    payload = json.loads(outcome.payload)
    assert payload["errorType"] == "Extension.Crash"
    assert payload["errorMessage"].endswith(" Error: exit code 3")
    assert b"Status: error\tError Type: Extension.Crash" in outcome.tail


ADAPTER = """#!{python} -I
import http.client, json, os, socket, time
while True:
    try:
        socket.create_connection(("127.0.0.1", 8080)).close()
        break
    except OSError:
        time.sleep(0.01)
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
api.request("POST", "/2020-01-01/extension/register", "{{}}", {{"Lambda-Extension-Name": "adapter"}})
answer = api.getresponse(); answer.read()
own = {{"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}}
if os.fork() == 0:
    waiting = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    waiting.request("GET", "/2020-01-01/extension/event/next", headers=own)
    waiting.getresponse()
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    event = json.loads(answer.read())
    web = http.client.HTTPConnection("127.0.0.1", 8080)
    web.request("GET", event["rawPath"])
    body = {{"statusCode": 200, "body": web.getresponse().read().decode()}}
    id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", f"/2018-06-01/runtime/invocation/{{id}}/response", json.dumps(body))
    api.getresponse().read()
"""
WEB_APP = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(("hello " + self.path).encode())
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""


def test_a_web_application_behind_an_adapter_layer(sandboxed: Bench):
    # The pattern of https://github.com/awslabs/aws-lambda-web-adapter: an extension that speaks for the application.
    spec = sandboxed.function(
        WEB_APP,
        file="server.py",
        handler="run.sh",
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"},
    )
    Path(spec.code, "run.sh").write_text(f"#!/bin/sh\nexec {PYTHON} /var/task/server.py\n")
    Path(spec.code, "run.sh").chmod(0o755)
    starter = '#!/bin/sh\nexec "${LAMBDA_TASK_ROOT}/${_HANDLER}"\n'
    files = {"bootstrap": starter, "extensions/adapter": ADAPTER.format(python=PYTHON)}
    spec = rebuilt(spec, **layered(sandboxed, spec, files))
    answer = json.loads(sandboxed.invoke(spec, {"rawPath": "/a"}).payload)
    assert answer == {"statusCode": 200, "body": "hello /a"}


@pytest.mark.parametrize("runtime", ["python3.8", "python3.12", "python3.14"])
def test_each_runtime_has_its_own_python(bench: Bench, runtime: str):
    found = bench.run(_python_of(bench, runtime))
    source = "import sys, boto3\ndef handler(e, c): return [*sys.version_info[:2], boto3.__name__]"
    answer = bench.answer(source, runtime=runtime, timeout_s=20.0)
    assert answer[:2] == list(found)
    assert answer[2] == "boto3"


async def _python_of(bench: Bench, runtime: str) -> tuple[int, int]:
    return bench.pool.nursery.python_for(runtime)
