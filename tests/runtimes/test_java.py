"""Java functions. https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes import languages
from serein.runtimes.inside import frames
from serein.runtimes.java_client import prepare
from serein.runtimes.spec import FunctionSpec
from tests.runtimes.conftest import Bench
from tests.runtimes.test_extensions import layered, rebuilt

COMPILER = languages.compiler_of(languages.installed_javas().values())
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no JDK is installed"),
    pytest.mark.xdist_group("java"),  # They share what is compiled.
]

SOURCE = """
package app;
import com.amazonaws.services.lambda.runtime.*;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.*;
import java.time.Instant;
import java.util.*;

public class Handlers {
  public enum Size { SMALL, LARGE }
  public static class Item {
    private String sku; private int count; private Size size;
    public String getSku() { return sku; } public void setSku(String v) { sku = v; }
    public int getCount() { return count; } public void setCount(int v) { count = v; }
    public Size getSize() { return size; } public void setSize(Size v) { size = v; }
  }
  public static class Order {
    private List<Item> items; private Map<String, Double> prices; private Instant at; public boolean paid;
    public List<Item> getItems() { return items; } public void setItems(List<Item> v) { items = v; }
    public Map<String, Double> getPrices() { return prices; } public void setPrices(Map<String, Double> v) { prices = v; }
    public Instant getAt() { return at; } public void setAt(Instant v) { at = v; }
    public int getTotal() { return items.stream().mapToInt(Item::getCount).sum(); }
  }
  public static class AsRequest implements RequestHandler<Map<String, Object>, Object> {
    static int count;
    public Object handleRequest(Map<String, Object> event, Context context) {
      context.getLogger().log("two\\nlines");
      context.getLogger().log("careful", LogLevel.WARN);
      System.out.println("pl\\u00e4in");
      return List.of(event, ++count, context.getFunctionName(), context.getMemoryLimitInMB(),
          context.getRemainingTimeInMillis() > 0, context.getInvokedFunctionArn());
    }
    public String other(String text) { return text.toUpperCase(); }
  }
  public static class AsStream implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
      in.transferTo(out);
    }
  }
  public Order order(Order order, Context context) { return order; }
  public static int plus(List<Integer> numbers) { return numbers.stream().mapToInt(n -> n).sum(); }
  public void nothing() {}
  public String text(String text) { return text; }
  public Object environment(Map<String, String> names) throws Exception {
    Map<String, Object> told = new TreeMap<>();
    told.put("tmp", new File("/tmp").list().length);
    told.put("shadow", new File("/etc/shadow").exists());
    told.put("task", new File("/var/task/x").createNewFile());
    return told;
  }
  public Object fail(Map<String, Object> event) { throw new IllegalStateException("some_error_msg", new IOException("deep")); }
  public Object deep(Integer n) { return deep(n + 1); }
  public Object exit() { System.exit(7); return null; }
  public Object halt() { Runtime.getRuntime().halt(0); return null; }
  public Object sleep() throws Exception { Thread.sleep(60000); return null; }
  public byte[] large(int size) { return new byte[size]; }
  public Object trace() { return System.getProperty("com.amazonaws.xray.traceHeader"); }
  public static class Broken { static { if (true) throw new IllegalArgumentException("no start"); } public void run() {} }
}
"""


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled functions."""
    work = tmp_path_factory.mktemp("java")
    (work / "Handlers.java").write_text(SOURCE)
    javas = languages.installed_javas()
    client = prepare(javas[min(javas)], COMPILER, work)
    (work / "classes").mkdir()
    command = [str(COMPILER), "--release", "11", "-cp", client.jar]
    command += ["-d", str(work / "classes"), str(work / "Handlers.java")]
    subprocess.run(command, check=True)
    return work / "classes"


def function(bench: Bench, classes: Path, handler: str, **given: Any) -> FunctionSpec:
    spec = bench.function(
        "", file="nothing", runtime="java17", handler=handler, timeout_s=20.0, **given
    )
    (Path(spec.code) / "app").symlink_to(classes / "app")  # as a plain process sees it
    (Path(spec.code) / "app").unlink()
    subprocess.run(["cp", "-r", str(classes / "app"), spec.code], check=True)
    return spec


def answer(bench: Bench, classes: Path, handler: str, event: Any = None) -> Any:
    outcome = bench.invoke(function(bench, classes, handler), event)
    assert outcome.error is None, outcome.payload
    return json.loads(outcome.payload)


def test_a_request_handler_its_context_and_its_log(bench: Bench, classes: Path):
    spec = function(bench, classes, "app.Handlers$AsRequest", memory_mb=256)
    first, second = bench.invoke(spec, {"a": [1, "\u00e9"]}), bench.invoke(spec, {})
    assert json.loads(first.payload)[:5] == [{"a": [1, "\u00e9"]}, 1, "f", 256, True]
    assert json.loads(second.payload)[1] == 2
    assert first.init_ms is not None
    assert second.init_ms is None
    assert first.memory_used_mb > 20
    tail = first.tail.decode()
    assert "two\nlines\n[WARN] careful\npl\u00e4in\n" in tail


def test_a_stream_handler(bench: Bench, classes: Path):
    assert answer(bench, classes, "app.Handlers$AsStream", {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("handler", "event", "expected"),
    [
        ("app.Handlers$AsRequest::handleRequest", {}, {}),
        ("app.Handlers$AsRequest::other", "loud", "LOUD"),
        ("app.Handlers::plus", [1, 2, 3], 6),
        ("app.Handlers::nothing", {"x": 1}, None),
        ("app.Handlers::text", "\u00e9", "\u00e9"),
        ("app.Handlers::trace", None, None),
    ],
)
def test_methods(bench: Bench, classes: Path, handler: str, event: Any, expected: Any):
    found = answer(bench, classes, handler, event)
    assert (found[0] if handler.endswith("handleRequest") else found) == expected


def test_beans_both_ways(bench: Bench, classes: Path):
    event = {
        "Items": [
            {"sku": "a", "count": 2, "size": "LARGE", "unknown": 1},
            {"sku": "b", "count": 3},
        ],
        "prices": {"a": 1.5},
        "at": "2026-01-02T03:04:05Z",
        "paid": True,
    }
    assert answer(bench, classes, "app.Handlers::order", event) == {
        "items": [
            {"sku": "a", "count": 2, "size": "LARGE"},
            {"sku": "b", "count": 3, "size": None},
        ],
        "prices": {"a": 1.5},
        "at": "2026-01-02T03:04:05Z",
        "paid": True,
        "total": 5,
    }


def failure(bench: Bench, classes: Path, handler: str, event: Any = None, **given: Any) -> Any:
    outcome = bench.invoke(function(bench, classes, handler, **given), event)
    assert outcome.error == "unhandled"
    return json.loads(outcome.payload)


def test_what_is_thrown(bench: Bench, classes: Path):
    # The shape is recorded from the real service; causes: the page on Java's exceptions.
    payload = failure(bench, classes, "app.Handlers::fail", {})
    assert payload["errorMessage"] == "some_error_msg"
    assert payload["errorType"] == "java.lang.IllegalStateException"
    (frame,) = payload["stackTrace"]
    assert re.fullmatch(r"app\.Handlers\.fail\(Handlers\.java:\d+\)", frame)
    assert payload["cause"]["errorType"] == "java.io.IOException"
    payload = failure(bench, classes, "app.Handlers::deep", 1)
    assert payload["errorType"] == "java.lang.StackOverflowError"


def test_handlers_that_are_not_there(bench: Bench, classes: Path):
    # https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html
    payload = failure(bench, classes, "app.Missing::run")
    assert payload["errorMessage"] == "Class not found: app.Missing"
    payload = failure(bench, classes, "app.Handlers::missing")
    assert payload == {
        "errorMessage": "No public method named missing with appropriate method signature found on "
        "class app.Handlers"
    }
    payload = failure(bench, classes, "app.Handlers$Broken::run")
    assert payload["errorMessage"] == "no start"


def test_events_that_do_not_fit(bench: Bench, classes: Path):
    payload = failure(bench, classes, "app.Handlers::text", {"a": 1})
    assert payload["errorMessage"] == "An error occurred during JSON parsing"
    assert payload["errorType"] == "java.lang.RuntimeException"
    assert "java.lang.String" in payload["cause"]["errorMessage"]


def test_ends(bench: Bench, classes: Path):
    payload = failure(bench, classes, "app.Handlers::exit")
    assert payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")
    payload = failure(bench, classes, "app.Handlers::halt")
    assert payload["errorMessage"].endswith("Error: Runtime exited without providing a reason")
    payload = failure(bench, classes, "app.Handlers::large", 7_000_000, memory_mb=512)
    assert payload["errorType"] == "Function.ResponseSizeTooLarge"
    spec = function(bench, classes, "app.Handlers::sleep")
    changed = {name: getattr(spec, name) for name in spec.__struct_fields__} | {"timeout_s": 0.5}
    assert bench.invoke(FunctionSpec(**changed)).error_type == "Sandbox.Timedout"


def test_libraries_in_the_archive_and_in_layers(bench: Bench, classes: Path):
    spec = function(bench, classes, "app.Handlers::plus")
    library = Path(spec.code) / "lib"
    library.mkdir()
    jar = str(Path(str(COMPILER)).parent / "jar")
    subprocess.run(
        [jar, "--create", "--file", str(library / "app.jar"), "-C", spec.code, "app"], check=True
    )
    subprocess.run(["rm", "-r", f"{spec.code}/app"], check=True)
    assert bench.invoke(spec, [4]).payload == b"4"
    layer = Path(spec.code).parent / (Path(spec.code).name + "-layer")
    (layer / "java").mkdir(parents=True)
    library.rename(layer / "java/lib")
    members = {name: getattr(spec, name) for name in spec.__struct_fields__}
    spec = FunctionSpec(**{**members, "key": "layered", "layers": (str(layer),)})
    assert bench.invoke(spec, [5]).payload == b"5"


def test_it_is_in_the_sandbox_too(sandboxed: Bench, classes: Path):
    payload = failure(sandboxed, classes, "app.Handlers::environment", {})
    assert payload["errorType"] == "java.io.IOException"  # /var/task is read-only
    assert "Read-only" in payload["errorMessage"] or "denied" in payload["errorMessage"]


def test_json_log(bench: Bench, classes: Path):
    spec = function(bench, classes, "app.Handlers$AsRequest", log_format="JSON")
    told = [
        json.loads(line)
        for line in bench.invoke(spec, {}).tail.decode().splitlines()
        if line.startswith("{")
    ]
    careful = next(line for line in told if line.get("message") == "careful")
    assert careful["level"] == "WARN"
    assert careful["AWSRequestId"]


def test_a_wrapper_starts_the_java_runtime(sandboxed: Bench, classes: Path):
    # https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper: options before the last word
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    spec = function(sandboxed, classes, "app.Handlers::trace", environment=variables)
    option = "-Dcom.amazonaws.xray.traceHeader=by-wrapper"
    wrapper = f'#!/bin/sh\njava="$1"; shift\nexec "$java" {option} -Xlog:gc "$@"\n'
    spec = rebuilt(spec, **layered(sandboxed, spec, {"wrapper": wrapper}))
    outcome = sandboxed.invoke(spec)
    assert outcome.error is None, outcome.payload
    assert outcome.payload == b"null"  # set for each invocation
    assert outcome.init_ms is not None


def test_without_a_sandbox(plain: Bench, classes: Path):
    assert answer(plain, classes, "app.Handlers::plus", [1, 2]) == 3


def test_a_version_that_is_not_installed_has_a_stand_in():
    javas = languages.installed_javas()
    assert languages.nearest_java(javas, "java8.al2").version == min(javas)
    assert languages.nearest_java(javas, "java99").version == max(javas)
    assert frames.READY == 11  # as written in the Java client
