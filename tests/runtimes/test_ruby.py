"""Ruby functions. https://docs.aws.amazon.com/lambda/latest/dg/ruby-handler.html"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes.spec import FunctionSpec
from tests.runtimes.conftest import Bench

pytestmark = pytest.mark.skipif(shutil.which("ruby") is None, reason="Ruby is not installed")


def function(bench: Bench, source: str, **given: Any) -> FunctionSpec:
    settings = {"runtime": "ruby3.3", "handler": "app.handler", "timeout_s": 20.0, **given}
    return bench.function(source, file="app.rb", **settings)


def answer(bench: Bench, source: str, event: Any = None, **given: Any) -> Any:
    outcome = bench.invoke(function(bench, source, **given), event)
    assert outcome.error is None, outcome.payload
    return json.loads(outcome.payload)


def failure(bench: Bench, source: str, event: Any = None, **given: Any) -> Any:
    outcome = bench.invoke(function(bench, source, **given), event)
    assert outcome.error == "unhandled"
    return json.loads(outcome.payload)


def test_events_the_context_and_the_log(bench: Bench):
    spec = function(
        bench,
        """
        $count = 0
        def handler(event:, context:)
          puts "told \u00e9"
          warn "warned"
          $count += 1
          [event, $count, context.function_name, context.memory_limit_in_mb,
           context.get_remaining_time_in_millis > 1000, ENV["_X_AMZN_TRACE_ID"], Dir.pwd == ENV["LAMBDA_TASK_ROOT"]]
        end
        """,
    )
    first, second = bench.invoke(spec, {"a": "\u00e9"}), bench.invoke(spec)
    assert json.loads(first.payload) == [{"a": "\u00e9"}, 1, "f", "128", True, None, True]
    assert json.loads(second.payload)[:2] == [None, 2]
    assert (first.init_ms is not None, second.init_ms) == (True, None)
    assert "told \u00e9\nwarned\n" in first.tail.decode()
    assert first.memory_used_mb > 5


def test_a_method_of_a_class(bench: Bench):
    source = """
    module Own
      class Handler
        def self.process(event:, context:) = event["n"] + 1
      end
    end
    """
    assert answer(bench, source, {"n": 1}, handler="app.Own::Handler.process") == 2


def test_what_is_raised(bench: Bench):
    # The shape is recorded from the real service.
    payload = failure(bench, 'def handler(event:, context:) = raise("Error: some_error_msg")')
    assert payload["errorMessage"] == "Error: some_error_msg"
    assert payload["errorType"] == "Function<RuntimeError>"
    assert len(payload["stackTrace"]) == 1
    assert payload["stackTrace"][0].startswith(("/var/task/app.rb:1", "/"))
    source = "def handler(event:, context:) = handler(event: event, context: context)"
    assert failure(bench, source)["errorType"] == "Function<SystemStackError>"
    payload = failure(bench, "def other(event:, context:) = 1")
    assert payload["errorType"] == "Function<NoMethodError>"
    assert "undefined method" in payload["errorMessage"]
    assert "handler" in payload["errorMessage"]


def test_code_that_cannot_be_loaded(bench: Bench):
    assert failure(bench, "def handler(")["errorType"] == "Init<SyntaxError>"
    payload = failure(bench, "require 'nope'")
    assert (payload["errorType"], payload["errorMessage"]) == (
        "Init<LoadError>",
        "cannot load such file -- nope",
    )
    payload = failure(bench, "", handler="missing.handler")
    assert payload["errorMessage"] == "cannot load such file -- /var/task/missing"
    assert failure(bench, "", handler="app.Nope.run")["errorType"] == "Init<NameError>"


def test_ends(bench: Bench):
    payload = failure(bench, "def handler(event:, context:) = exit(4)")
    assert payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 4")
    payload = failure(bench, "def handler(event:, context:) = exit!(0)")
    assert payload["errorMessage"].endswith("Error: Runtime exited without providing a reason")
    payload = failure(bench, "def handler(event:, context:) = 'x' * 7_000_000")
    assert payload["errorType"] == "Function.ResponseSizeTooLarge"
    spec = function(bench, "def handler(event:, context:) = sleep", timeout_s=0.5)
    assert bench.invoke(spec).error_type == "Sandbox.Timedout"


def test_gems_in_the_archive_and_in_layers(bench: Bench):
    source = """
    require "own"
    def handler(event:, context:) = Own::WORD
    """
    spec = function(bench, source)
    gems = Path(spec.code, "vendor/bundle/ruby/3.3.0")
    (gems / "gems/own-1.0/lib").mkdir(parents=True)
    (gems / "gems/own-1.0/lib/own.rb").write_text("module Own; WORD = 'gem'; end")
    (gems / "specifications").mkdir()
    (gems / "specifications/own-1.0.gemspec").write_text(
        "Gem::Specification.new { |s| s.name = 'own'; s.version = '1.0'; s.summary = 'x';"
        " s.authors = ['x']; s.files = ['lib/own.rb'] }"
    )
    assert json.loads(bench.invoke(spec).payload) == "gem"
    layer = Path(spec.code).parent / (Path(spec.code).name + "-layer")
    (layer / "ruby/lib").mkdir(parents=True)
    (layer / "ruby/lib/own.rb").write_text("module Own; WORD = 'layer'; end")
    assert answer(bench, source, layers=(str(layer),)) == "layer"


def test_it_is_in_the_sandbox_too(sandboxed: Bench):
    source = """
    def handler(event:, context:)
      [File.exist?("/etc/shadow"), Dir.children("/tmp"), Process.uid >= 700000,
       (File.write("/var/task/x", "") rescue $!.class.name)]
    end
    """
    assert answer(sandboxed, source) == [False, [], True, "Errno::EROFS"]


def test_without_a_sandbox(plain: Bench):
    assert answer(plain, "def handler(event:, context:) = event", [1]) == [1]
