"""AWS's own runtime interface clients as the bootstrap of custom runtimes, and Go functions.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html, https://docs.aws.amazon.com/lambda/latest/dg/lambda-golang.html
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes.spec import FunctionSpec
from tests.runtimes.conftest import Bench

PYTHON = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
PYTHON_CLIENT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")


def node_client() -> Path | None:
    """The folder `node_modules` with aws-lambda-ric, built: it needs cmake, autotools and a C++ compiler."""
    places = [os.environ.get("SEREIN_NODE_RIC", ""), "tests/clients/javascript/node_modules"]
    for place in places:
        if place and Path(place, "aws-lambda-ric/dist/rapid-client.node").exists():
            return Path(place).resolve()
    return None


def deployed(bench: Bench, bootstrap: str | bytes, **given: Any) -> FunctionSpec:
    spec = bench.function("", file="nothing", runtime="provided.al2023", timeout_s=20.0, **given)
    script = Path(spec.code, "bootstrap")
    script.write_bytes(bootstrap.encode() if isinstance(bootstrap, str) else bootstrap)
    script.chmod(0o755)
    return spec


@pytest.fixture
def python_function(sandboxed: Bench) -> Any:
    if importlib.util.find_spec("awslambdaric") is None:
        pytest.skip("awslambdaric is not installed")

    def make(source: str, **given: Any) -> FunctionSpec:
        script = (
            f'#!/bin/sh\nexport PYTHONPATH=/var/task\nexec {PYTHON} -m awslambdaric "$_HANDLER"\n'
        )
        spec = deployed(sandboxed, script, **given)
        Path(spec.code, "app.py").write_text(source)
        for name in PYTHON_CLIENT:
            found = importlib.util.find_spec(name)
            assert found is not None
            assert found.origin is not None
            origin = Path(found.origin)
            if origin.name == "__init__.py":
                shutil.copytree(origin.parent, Path(spec.code, name))
            else:
                shutil.copy(origin, spec.code)
        return spec

    return make


def test_the_python_client(sandboxed: Bench, python_function: Any):
    spec = python_function(
        "count = 0\n"
        "def handler(event, context):\n"
        "    global count; count += 1\n"
        "    print('printed')\n"
        "    if event == 'fail': raise KeyError('own')\n"
        "    return [event, count, context.function_name, context.get_remaining_time_in_millis() > 0]\n"
    )
    first = sandboxed.invoke(spec, {"a": "\u00e9"})
    assert json.loads(first.payload) == [{"a": "\u00e9"}, 1, "f", True]
    assert b"printed\n" in first.tail
    failed = sandboxed.invoke(spec, "fail")
    payload = json.loads(failed.payload)
    assert (payload["errorType"], payload["errorMessage"]) == ("KeyError", "'own'")
    assert failed.error == "unhandled"
    large = "x" * 5_000_000
    assert json.loads(sandboxed.invoke(spec, large).payload)[:2] == [large, 3]


def test_the_python_clients_errors_are_those_of_the_managed_runtime(
    sandboxed: Bench, python_function: Any
):
    """What Serein's own Python runtime answers is what AWS's client answers."""
    for source, handler, event in (
        ("import nope\n", "app.handler", None),
        ("def other(): pass\n", "app.handler", None),
        ("", "missing.handler", None),
        ("", "nodot", None),
        ("def handler(e, c): return object()\n", "app.handler", None),
        ("def handler(e, c): return {1, 2}\n", "app.handler", None),
        ("def handler(e, c): return e['x']['y']\n", "app.handler", {"x": 1}),
        ("def handler(e, c): return {b'1': [b'x', (b'y',)]}\n", "app.handler", None),
        ("def handler(e, c): return {(1, 2): 1}\n", "app.handler", None),
        ("def handler(e, c): return [b'\\xff']\n", "app.handler", None),
        (
            "from decimal import *\ndef handler(e, c): return [Decimal('1.10'), Decimal('nan')]\n",
            "app.handler",
            None,
        ),
        ("def handler(e, c): return '\\ud800'\n", "app.handler", None),
        ("def handler(e, c):\n    x = []\n    x.append(x)\n    return x\n", "app.handler", None),
        ("def handler(e, c): return handler(e, c)\n", "app.handler", None),
        ("import os\ndef handler(e, c): os._exit(0)\n", "app.handler", None),
        ("import os\ndef handler(e, c): os.abort()\n", "app.handler", None),
        ("import os\nos._exit(9)\n", "app.handler", None),
        ("def handler(e, c): raise KeyboardInterrupt\n", "app.handler", None),
        ("class X:\n    @staticmethod\n    def handler(e, c): return 1\n", "app.X.handler", None),
        ("def handler(e, c): return 1\n", "sys.handler", None),
        ("import app\ndef handler(e, c): return app.nope\n", "app.handler", None),
        ("raise ImportError('own')\n", "app.handler", None),
        ("raise KeyError\n", "app.handler", None),
        ("def handler(e, c): raise type('Own', (Exception,), {})()\n", "app.handler", None),
        ("class Bad(Exception):\n    pass\nraise Bad('start')\n", "app.handler", None),
        ("def handler(e): return 1\n", "app.handler", None),
        ("handler = 5\n", "app.handler", None),
        ("def handler(e, c): return 'x' * 7_000_000\n", "app.handler", None),
        ("def handler(e, c): raise SystemExit(3)\n", "app.handler", None),
        ("import sys\nsys.exit(4)\n", "app.handler", None),
        ("def handler(e, c): return (1, None, 1.5, float('nan'))\n", "app.handler", None),
        ("def handler(e, c: 1 2\n", "app.handler", None),
    ):
        theirs = sandboxed.invoke(python_function(source, handler=handler), event)
        own = sandboxed.invoke(sandboxed.function(source, handler=handler), event)
        assert _comparable(own.payload) == _comparable(theirs.payload), source


def _comparable(payload: bytes) -> Any:
    told = json.loads(payload)
    if not isinstance(told, dict):
        return repr(told)
    told.pop("requestId", None)
    # The frames of the function's own; where the client is depends on how it was deployed.
    frames = [frame for frame in told.get("stackTrace", ()) if "/var/task/" in frame]
    told["stackTrace"] = [frame for frame in frames if "/awslambdaric/" not in frame]
    if told.get("errorType") == "Runtime.ExitError":
        told["errorMessage"] = told["errorMessage"].partition("Error: ")[2]
    return told


def test_the_node_client(sandboxed: Bench):
    modules, node = node_client(), shutil.which("node")
    if modules is None or node is None:
        pytest.skip("aws-lambda-ric is not built here (set SEREIN_NODE_RIC to its node_modules)")
    bootstrap = (
        f"#!/bin/sh\nexec {os.path.realpath(node)} "
        '/var/task/node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"\n'
    )
    spec = deployed(sandboxed, bootstrap, memory_mb=256, handler="app.handler")
    Path(spec.code, "app.mjs").write_text(
        "export const handler = async (event, context) => {\n"
        "  if (event === 'fail') throw new TypeError('own');\n"
        "  return [event, context.functionName, process.env._X_AMZN_TRACE_ID ?? null];\n"
        "};\n"
    )
    shutil.copytree(modules / "aws-lambda-ric", Path(spec.code, "node_modules/aws-lambda-ric"))
    first = sandboxed.invoke(spec, {"a": "\u00e9"})
    assert first.error is None, (first.payload, first.tail)
    assert json.loads(first.payload) == [{"a": "\u00e9"}, "f", None]
    payload = json.loads(sandboxed.invoke(spec, "fail").payload)
    assert (payload["errorType"], payload["errorMessage"]) == ("TypeError", "own")
    assert json.loads(sandboxed.invoke(spec, 1).payload)[0] == 1


def node_function(bench: Bench, source: str, file: str, handler: str) -> FunctionSpec:
    modules, node = node_client(), shutil.which("node")
    if modules is None or node is None:
        pytest.skip("aws-lambda-ric is not built here (set SEREIN_NODE_RIC to its node_modules)")
    bootstrap = (
        f"#!/bin/sh\nexec {os.path.realpath(node)} "
        '/var/task/node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"\n'
    )
    spec = deployed(bench, bootstrap, memory_mb=256, handler=handler)
    shutil.copytree(modules / "aws-lambda-ric", Path(spec.code, "node_modules/aws-lambda-ric"))
    _write(spec, source, file)
    return spec


def _write(spec: FunctionSpec, source: str, file: str) -> None:
    path = Path(spec.code, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


NODE_CASES = [
    ("exports.handler = async (e) => e;", "app.js", "app.handler"),
    ("exports.handler = (e, c, done) => done(null, e);", "app.js", "app.handler"),
    ("exports.handler = (e, c, done) => done(new Error('no'));", "app.js", "app.handler"),
    ("exports.handler = (e, c, done) => done('text');", "app.js", "app.handler"),
    ("exports.handler = () => { throw new RangeError('own'); };", "app.js", "app.handler"),
    ("exports.handler = async () => { throw 'text'; };", "app.js", "app.handler"),
    ("exports.handler = async () => { throw {a: 1}; };", "app.js", "app.handler"),
    ("exports.handler = async () => { throw null; };", "app.js", "app.handler"),
    ("exports.handler = async () => { throw undefined; };", "app.js", "app.handler"),
    ("exports.handler = async () => undefined;", "app.js", "app.handler"),
    (
        "exports.handler = async () => { const a = {}; a.a = a; return a; };",
        "app.js",
        "app.handler",
    ),
    ("exports.handler = async () => 10n;", "app.js", "app.handler"),
    ("exports.handler = async () => () => 1;", "app.js", "app.handler"),
    ("exports.handler = async () => Buffer.from('x');", "app.js", "app.handler"),
    ("exports.handler = async () => new Date(0);", "app.js", "app.handler"),
    ("exports.handler = async () => 'x'.repeat(7000000);", "app.js", "app.handler"),
    ("exports.handler = async () => process.exit(0);", "app.js", "app.handler"),
    ("exports.handler = async () => process.exit(3);", "app.js", "app.handler"),
    ("process.exit(5);", "app.js", "app.handler"),
    ("exports.other = 1;", "app.js", "app.handler"),
    ("exports.handler = 1;", "app.js", "app.handler"),
    ("exports.a = { b: async () => 'deep' };", "app.js", "app.a.b"),
    ("exports.handler = async () => 'folder';", "src/deep/app.js", "src/deep/app.handler"),
    ("exports.handler = async () => 'x';", "app.js", "missing.handler"),
    ("exports.handler = async () => 'x';", "app.js", "nodot"),
    ("exports.handler = async () => 'x';", "app.js", "../app.handler"),
    ("require('nope');", "app.js", "app.handler"),
    ("exports.handler = async ( => 1;", "app.js", "app.handler"),
    ("throw new TypeError('start');", "app.js", "app.handler"),
    ("import 'nope';", "app.mjs", "app.handler"),
    ("export const handler = async ( => 1;", "app.mjs", "app.handler"),
    ("throw new TypeError('start');", "app.mjs", "app.handler"),
    (
        "const x = await Promise.resolve(7); export const handler = async () => x;",
        "app.mjs",
        "app.handler",
    ),
    ("await Promise.reject(new Error('top')); export const handler = 1;", "app.mjs", "app.handler"),
    ("export default { handler: async () => 1 };", "app.mjs", "app.handler"),
    (
        "exports.handler = () => { setTimeout(() => { throw new Error('late'); }, 5); };",
        "app.js",
        "app.handler",
    ),
    (
        "exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise(r => setTimeout(r, 50)); };",
        "app.js",
        "app.handler",
    ),
    (
        "exports.handler = () => new Promise(() => setTimeout(() => { throw new Error('late'); }, 5));",
        "app.js",
        "app.handler",
    ),
    ("exports.handler = () => 5;", "app.js", "app.handler"),
    (
        "exports.handler = (e, c) => { c.callbackWaitsForEmptyEventLoop = false; c.succeed('s'); };",
        "app.js",
        "app.handler",
    ),
    ("exports.handler = (e, c) => { c.fail(new Error('f')); };", "app.js", "app.handler"),
    ("exports.handler = (e, c) => { c.done(null, 'd'); };", "app.js", "app.handler"),
    (
        "exports.handler = (e, c, done) => { setTimeout(() => {}, 100); done(null, 'wait'); };",
        "app.js",
        "app.handler",
    ),
    ("exports.handler = async (e, c) => Object.keys(c).sort();", "app.js", "app.handler"),
    (
        "class Own extends Error { constructor() { super('m'); this.name = 'Own'; this.extra = 1; } }"
        " exports.handler = async () => { throw new Own(); };",
        "app.js",
        "app.handler",
    ),
    (
        "exports.handler = awslambda.streamifyResponse(async (e, s) => { s.write('a'); s.end('b'); });",
        "app.js",
        "app.handler",
    ),
    (
        "exports.handler = awslambda.streamifyResponse(async () => { throw new Error('s'); });",
        "app.js",
        "app.handler",
    ),
]


@pytest.mark.parametrize(("source", "file", "handler"), NODE_CASES)
def test_the_node_clients_answers_are_those_of_the_managed_runtime(
    sandboxed: Bench, source: str, file: str, handler: str
):
    theirs = sandboxed.invoke(node_function(sandboxed, source, file, handler), {"a": 1})
    spec = sandboxed.function(
        "", file="nothing", runtime="nodejs20.x", handler=handler, timeout_s=20.0, memory_mb=256
    )
    _write(spec, source, file)
    own = sandboxed.invoke(spec, {"a": 1})
    assert _node_comparable(own.payload) == _node_comparable(theirs.payload)


def _node_comparable(payload: bytes) -> Any:
    try:
        told = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(told, dict):
        return told
    if "trace" in told:
        told["trace"] = [
            line
            for line in told["trace"][:2]
            if "ric/dist" not in line and "bootstrap.mjs" not in line
        ]
    for name in ("errorMessage",):
        if name in told:
            told[name] = (
                told[name].partition("Error: ")[2] if "RequestId" in told[name] else told[name]
            )
            told[name] = told[name].partition("\n")[0]
    return told


GO = """package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		event, err := http.Get(api + "next")
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(event.Body)
		event.Body.Close()
		if string(body) == "\\"panic\\"" {
			panic("asked to")
		}
		path := api + event.Header.Get("Lambda-Runtime-Aws-Request-Id") + "/response"
		answer, err := http.Post(path, "application/json", bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
	}
}
"""


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_a_go_function(sandboxed: Bench, tmp_path: Path):
    (tmp_path / "main.go").write_text(GO)
    variables = {**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off", "GOFLAGS": ""}
    command = ["go", "build", "-o", str(tmp_path / "bootstrap"), str(tmp_path / "main.go")]
    subprocess.run(command, check=True, env=variables)
    spec = deployed(sandboxed, (tmp_path / "bootstrap").read_bytes(), handler="bootstrap")
    assert json.loads(sandboxed.invoke(spec, {"a": 1}).payload) == {"a": 1}
    payload = json.loads(sandboxed.invoke(spec, "panic").payload)
    assert payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 2")
    assert json.loads(sandboxed.invoke(spec, 2).payload) == 2
