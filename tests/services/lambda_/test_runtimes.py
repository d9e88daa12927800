"""Runtimes that are not there: deprecated ones, and those that this machine has nothing for."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serein.runtimes import languages
from serein.runtimes.spec import RuntimeUnavailable
from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make, zipped


@pytest.mark.parametrize("runtime", ["go1.x", "python3.7", "dotnetcore3.1", "provided"])
def test_deprecated(make_function: Make, awslambda: Any, runtime: str):
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-deprecated
    with pytest.raises(ClientError) as caught:
        make_function(Runtime=runtime)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"] == (
        f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS "
        "Lambda functions. We recommend you use a supported runtime while creating or updating "
        "functions."
    )
    make_function()
    with pytest.raises(ClientError, match="no longer supported"):
        awslambda.update_function_configuration(FunctionName="echo", Runtime=runtime)


def test_what_cannot_run_here_is_said_at_once_and_when_it_is_invoked(
    make_function: Make, awslambda: Any, cloud: Cloud, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        make_function(Runtime="dotnet8", Handler="A::B::C")
        cloud.settle()
    assert "dotnet8: Serein has no runtime client for .NET" in caplog.text
    with pytest.raises(ClientError, match=r"no runtime client for \.NET") as caught:
        awslambda.invoke(FunctionName="echo")
    assert caught.value.response["Error"]["Code"] == "InvalidRuntimeException"


def test_families():
    assert languages.family_of("python3.99", set()) == "python"
    assert languages.family_of("provided.al2023", set()) == "provided"
    assert languages.missing("python3.8") == ""
    assert "deprecated" in languages.missing("go1.x")
    with pytest.raises(RuntimeUnavailable):
        languages.family_of("cobol1", set())


JAVA = """
package shop;
import java.util.Map;
public class Order {
  public Map<String, Object> price(Map<String, Integer> event) {
    return Map.of("total", event.get("count") * 3, "region", System.getenv("AWS_REGION"));
  }
}
"""


@pytest.mark.skipif(languages.missing("java21") != "", reason="no JDK is installed")
def test_a_java_function_from_an_archive(
    make_function: Make, awslambda: Any, cloud: Cloud, tmp_path: Path
):
    (tmp_path / "Order.java").write_text(JAVA)
    compiler = languages.compiler_of(languages.installed_javas().values())
    command = [str(compiler), "--release", "11", "-d", str(tmp_path), str(tmp_path / "Order.java")]
    subprocess.run(command, check=True)
    classes = {"shop/Order.class": (tmp_path / "shop/Order.class").read_bytes()}
    settings = {"Runtime": "java21", "Handler": "shop.Order::price", "Timeout": 30}
    make_function(zipped(classes), MemorySize=256, **settings)
    cloud.settle()
    answer = awslambda.invoke(FunctionName="echo", Payload=b'{"count": 5}')
    assert json.loads(answer["Payload"].read()) == {"total": 15, "region": "us-east-1"}
    assert "FunctionError" not in answer


@pytest.mark.skipif(languages.missing("ruby3.4") != "", reason="Ruby is not installed")
def test_a_ruby_function_from_an_archive(make_function: Make, awslambda: Any):
    source = (
        "def run(event:, context:) = { total: event['count'] * 3, name: context.function_name }"
    )
    make_function(zipped({"app.rb": source}), Runtime="ruby3.4", Handler="app.run", Timeout=30)
    answer = awslambda.invoke(FunctionName="echo", Payload=b'{"count": 5}')
    assert json.loads(answer["Payload"].read()) == {"total": 15, "name": "echo"}
