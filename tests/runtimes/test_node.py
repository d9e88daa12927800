"""Node.js functions. https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes.spec import FunctionSpec
from tests.runtimes.conftest import Bench

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def function(bench: Bench, source: str, file: str = "index.mjs", **given: Any) -> FunctionSpec:
    return bench.function(source, file=file, runtime="nodejs20.x", handler="index.handler", **given)


@pytest.mark.parametrize(
    ("file", "source", "answer"),
    [
        ("index.mjs", "export const handler = async (event) => event;", {"a": 1}),
        ("index.js", "exports.handler = async (event) => event.a;", 1),
        ("index.cjs", "exports.handler = (e, c, done) => setTimeout(() => done(null, 'x'), 5);", "x"),
        ("index.js", "exports.handler = (e, c) => c.succeed([1]);", [1]),
        ("index.mjs", "export const handler = async () => {};", None),
        ("index.mjs", "export const handler = () => new Promise(() => {});", None),
        ("index.mjs", "export const handler = async (e, c) => c.functionName;", "f"),
    ],
)  # fmt: skip
def test_handlers_of_every_kind(bench: Bench, file: str, source: str, answer: Any):
    outcome = bench.invoke(function(bench, source, file), {"a": 1})
    assert outcome.error is None, outcome.payload
    assert json.loads(outcome.payload) == answer


def test_a_package_of_modules(bench: Bench):
    spec = function(bench, "export const handler = async () => 'esm';", "index.js")
    Path(spec.code, "package.json").write_text('{"type": "module"}')
    assert bench.invoke(spec).payload == b'"esm"'


def test_errors(bench: Bench):
    outcome = bench.invoke(
        function(bench, "export const handler = async () => { throw new TypeError('bad') };")
    )
    payload = json.loads(outcome.payload)
    assert (payload["errorType"], payload["errorMessage"]) == ("TypeError", "bad")
    assert payload["trace"][0] == "TypeError: bad"
    outcome = bench.invoke(function(bench, "export const other = 1;"))
    assert json.loads(outcome.payload)["errorType"] == "Runtime.HandlerNotFound"
    outcome = bench.invoke(function(bench, "export const = ;"))
    assert json.loads(outcome.payload)["errorType"] == "Runtime.UserCodeSyntaxError"
    outcome = bench.invoke(function(bench, "require('nope');", "index.cjs"))
    assert json.loads(outcome.payload)["errorType"] == "Runtime.ImportModuleError"
    # As aws-lambda-ric answers it, which calls only what `require` misses an import error.
    outcome = bench.invoke(function(bench, "import 'nope'; export const handler = 1;"))
    assert json.loads(outcome.payload)["errorType"] == "Error"
    outcome = bench.invoke(function(bench, "export const handler = async () => process.exit(3);"))
    assert json.loads(outcome.payload)["errorMessage"].endswith(
        "Error: Runtime exited with error: exit status 3"
    )


def test_an_uncaught_exception_is_the_answer_and_the_end(bench: Bench):
    source = (
        "export const handler = () => new Promise(() => setTimeout("
        "() => { throw new Error('late') }, 5));"
    )
    spec = function(bench, source)
    payload = json.loads(bench.invoke(spec).payload)
    assert (payload["errorType"], payload["errorMessage"]) == ("Error", "late")
    assert json.loads(bench.invoke(spec).payload)["errorMessage"] == "late"


def test_the_console_writes_the_log(bench: Bench):
    bench.lines.clear()
    bench.invoke(
        function(
            bench,
            "export const handler = async () => { console.log('a %d', 1, {b: 2}); console.error('no'); };",
        )
    )
    _, *messages = [line.message for line in bench.lines]
    identifier = messages[0].split(" ")[2]
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(rf"{stamp}\t{identifier}\tINFO\ta 1 {{ b: 2 }}\n", messages[1])
    assert re.fullmatch(rf"{stamp}\t{identifier}\tERROR\tno\n", messages[2])


def test_warm_and_timeout(bench: Bench):
    spec = function(bench, "let n = 0; export const handler = async () => ++n;")
    assert [bench.invoke(spec).payload for _ in range(3)] == [b"1", b"2", b"3"]
    spec = function(bench, "export const handler = async () => { for (;;); };", timeout_s=1.0)
    assert bench.invoke(spec).error_type == "Sandbox.Timedout"


def test_large_events_and_answers(bench: Bench):
    spec = function(bench, "export const handler = async (e) => e;")
    event = "x" * 5_000_000
    assert json.loads(bench.invoke(spec, event).payload) == event


def test_it_is_in_the_sandbox_too(sandboxed: Bench):
    source = """
import fs from "node:fs";
import net from "node:net";
export const handler = async () => {
  const tried = {};
  try { fs.readFileSync("/etc/shadow"); } catch (e) { tried.shadow = e.code; }
  try { fs.writeFileSync("/var/task/x", ""); } catch (e) { tried.task = e.code; }
  tried.tmp = fs.readdirSync("/tmp");
  tried.uid = process.getuid() >= 700000;
  tried.net = await new Promise((done) => net.connect(80, "169.254.169.254").on("error", (e) => done(e.code)));
  tried.serein = await (await fetch(process.env.AWS_ENDPOINT_URL)).text();
  return tried;
};
"""
    outcome = sandboxed.invoke(function(sandboxed, source))
    assert json.loads(outcome.payload) == {
        "shadow": "ENOENT",
        "task": "EROFS",
        "tmp": [],
        "uid": True,
        "net": "ENETUNREACH",
        "serein": "serein",
    }


def test_without_namespaces(plain: Bench):
    spec = function(plain, "export const handler = async (e) => e;")
    assert plain.invoke(spec, 1).payload == b"1"


def test_errors_that_lead_back_to_themselves_are_answered(bench: Bench):
    source = "export const handler = async () => { const e = new Error('own'); e.config = {e}; e.n = 1n; throw e; };"
    outcome = bench.invoke(function(bench, source))
    assert json.loads(outcome.payload)["errorMessage"] == "own"
    assert b'Invoke Error \t{"errorType":"Error","errorMessage":"own"' in outcome.tail


def test_errors_in_the_json_log(bench: Bench):
    # As aws-lambda-ric writes them.
    source = """
    export const handler = async () => {
      console.error(new TypeError('alone'));
      console.warn('with', new RangeError('words'));
      console.log(5);
      console.log();
      const e = new Error('own'); e.cause = new Error('deep'); throw e;
    };"""
    outcome = bench.invoke(function(bench, source, log_format="JSON"))
    told = [json.loads(line) for line in outcome.tail.decode().splitlines()]
    alone, words, number, nothing, own = [line for line in told if "level" in line]
    assert (alone["message"]["errorType"], alone["message"]["errorMessage"]) == (
        "TypeError",
        "alone",
    )
    assert words["message"].startswith("with RangeError: words\n")
    assert (words["errorType"], words["errorMessage"]) == ("RangeError", "words")
    assert (number["message"], nothing.get("message")) == (5, None)
    assert own["message"]["cause"]["errorMessage"] == "deep"
    assert own["message"]["stackTrace"][0] == "Error: own"
