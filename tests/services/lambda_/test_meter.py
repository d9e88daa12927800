"""What the metrics page says of functions. https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from serein.runtimes.spec import Outcome
from serein.services.lambda_.meter import FUNCTIONS_MAX, Meter
from tests.cloud import Cloud
from tests.services.lambda_.conftest import Make


def test_invocations_are_counted(make_function: Make, awslambda: Any, cloud: Cloud):
    make_function("def handler(event, context):\n    return 1 / event['n']\n")
    for n in (1, 0, 2):
        awslambda.invoke(FunctionName="echo", Payload=f'{{"n": {n}}}')
    awslambda.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate Exceeded"):
        awslambda.invoke(FunctionName="echo")
    found = {
        name: float(value)
        for name, value in re.findall(
            r"serein_function_(\w+)\{function=\"echo\".*?\} (\S+)", "\n".join(cloud.house.figures())
        )
    }
    assert (found["invocations_total"], found["errors_total"]) == (3, 1)
    assert (found["throttles_total"], found["inits_total"]) == (1, 1)
    assert 0 < found["duration_seconds_total"] < 10
    assert found["init_seconds_total"] > 0
    assert found["memory_peak_bytes"] > 1_000_000


def test_there_is_an_end_to_it():
    meter = Meter()
    for number in range(FUNCTIONS_MAX + 5):
        meter.note(("1", "r", f"f{number}"), Outcome(payload=b"", duration_ms=1.0))
    lines = [line for line in meter.prometheus() if line.startswith("serein_function_invocations")]
    assert len(lines) == FUNCTIONS_MAX + 1
    assert 'serein_function_invocations_total{function="others",account="",region=""} 5' in lines
