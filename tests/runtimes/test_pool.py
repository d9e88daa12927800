"""What callers of the pool get, whatever functions do.

Payloads: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html and recordings of the real service.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from serein.runtimes import Credentials, PoolBusy
from tests.runtimes.conftest import Bench, running


def test_a_function_answers(bench: Bench):
    assert bench.answer("def handler(e, c):\n    return e", {"a": [1, "ü"]}) == {"a": [1, "ü"]}


def test_a_warm_environment_is_used_again(bench: Bench):
    spec = bench.function(
        "import os\ncount = 0\ndef handler(e, c):\n    global count\n    count += 1\n    return count"
    )
    first, second = bench.invoke(spec), bench.invoke(spec)
    assert (first.payload, second.payload) == (b"1", b"2")
    assert first.init_ms is not None
    assert second.init_ms is None
    assert first.log_stream == second.log_stream


def test_six_megabytes_in_and_out(bench: Bench):
    big = "x" * 6_000_000
    assert bench.answer("def handler(e, c):\n    return e", big) == big


def test_an_answer_beyond_the_limit(bench: Bench):
    outcome = bench.invoke(bench.function("def handler(e, c):\n    return 'x' * 7_000_000"))
    assert json.loads(outcome.payload) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size (7000002 bytes) exceeded maximum allowed payload "
        "size (6291556 bytes).",
    }


def test_a_raised_error(bench: Bench):
    outcome = bench.invoke(bench.function("def handler(e, c):\n    raise KeyError('x')"))
    payload = json.loads(outcome.payload)
    assert outcome.error == "unhandled"
    assert payload["errorType"] == "KeyError"
    assert payload["errorMessage"] == "'x'"
    assert len(payload["requestId"]) == 36
    assert payload["stackTrace"][0].endswith("in handler\n    raise KeyError('x')\n")


@pytest.mark.parametrize(
    ("source", "handler", "kind", "message"),
    [
        ("import nope", "app.handler", "Runtime.ImportModuleError",
         "Unable to import module 'app': No module named 'nope'"),
        ("", "missing.handler", "Runtime.ImportModuleError",
         "Unable to import module 'missing': No module named 'missing'"),
        ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("", "handler", "Runtime.MalformedHandlerName",
         "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"),
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError",
         "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
        ("raise ValueError('at import')", "app.handler", "ValueError", "at import"),
        ("def handler(e, c):\n    return {1, 2}", "app.handler", "Runtime.MarshalError",
         "Unable to marshal response: Object of type set is not JSON serializable"),
    ],
)  # fmt: skip
def test_errors_of_the_runtime(bench: Bench, source: str, handler: str, kind: str, message: str):
    outcome = bench.invoke(bench.function(source, handler=handler))
    payload = json.loads(outcome.payload)
    assert (payload["errorType"], payload["errorMessage"]) == (kind, message)
    assert outcome.error_type == kind


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import sys; sys.exit(3)", "Runtime exited with error: exit status 3"),
        ("import sys; sys.exit(0)", "Runtime exited without providing a reason"),
        ("import os; os._exit(1)", "Runtime exited with error: exit status 1"),
        (
            "import ctypes; ctypes.string_at(0)",
            "Runtime exited with error: signal: segmentation fault",
        ),
    ],
)
def test_a_process_that_ends(bench: Bench, body: str, words: str):
    spec = bench.function(f"def handler(e, c):\n    {body}")
    outcome = bench.invoke(spec)
    payload = json.loads(outcome.payload)
    assert payload["errorType"] == "Runtime.ExitError"
    assert re.fullmatch(
        rf"RequestId: [0-9a-f-]{{36}} Error: {re.escape(words)}", payload["errorMessage"]
    )
    # The next one gets a new environment.
    assert json.loads(bench.invoke(spec).payload)["errorType"] == "Runtime.ExitError"


def test_a_timeout_kills_everything(bench: Bench):
    source = (
        "import os, subprocess, time\n"
        "def handler(e, c):\n"
        "    child = subprocess.Popen(['/bin/sleep', '1000'])\n"
        "    print('children', flush=True)\n"
        "    time.sleep(1000)\n"
    )
    outcome = bench.invoke(bench.function(source, timeout_s=1.0))
    message = json.loads(outcome.payload)["errorMessage"]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [0-9a-f-]{36} Task timed out after 1.00 seconds",
        message,
    )
    assert outcome.error_type == "Sandbox.Timedout"
    assert outcome.duration_ms == 1000.0
    tail = outcome.tail.decode()
    assert "children" in tail
    assert "\tStatus: timeout\n" in tail
    assert _sleepers() == []


def _sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"/bin/sleep\x001000\x00":
                found.append(path.parent.name)
        except OSError:
            continue
    return [pid for pid in found if running(int(pid))]


def test_the_log_of_an_invocation(bench: Bench):
    source = (
        "import logging\n"
        "def handler(e, c):\n"
        "    print('printed')\n"
        "    logging.getLogger().warning('two\\nlines')\n"
        "    return 1\n"
    )
    bench.lines.clear()
    bench.invoke(bench.function(source))
    begun, *messages = [line.message for line in bench.lines]
    assert re.fullmatch(  # recorded
        r"INIT_START Runtime Version: python:3\.11\.v\d+\tRuntime Version ARN: "
        r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n",
        begun,
    )
    identifier = messages[0].split(" ")[2]
    assert messages[0] == f"START RequestId: {identifier} Version: $LATEST\n"
    assert messages[1] == "printed\n"
    pattern = (
        rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{identifier}\ttwo\nlines\n"
    )
    assert re.fullmatch(pattern, messages[2])
    assert messages[3] == f"END RequestId: {identifier}\n"
    assert re.fullmatch(
        rf"REPORT RequestId: {identifier}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n",
        messages[4],
    )


def test_endless_output_is_bounded(bench: Bench):
    source = "def handler(e, c):\n    while True:\n        print('x' * 100_000)\n"
    bench.lines.clear()
    outcome = bench.invoke(bench.function(source, timeout_s=1.0))
    assert outcome.error_type == "Sandbox.Timedout"
    assert len(outcome.tail) <= 4096
    assert sum(len(line.message) for line in bench.lines) < 20_000_000


def test_a_fork_answers_once(bench: Bench):
    source = "import os\ndef handler(e, c):\n    os.fork()\n    return 'once'\n"
    spec = bench.function(source)
    assert bench.invoke(spec).payload == b'"once"'
    assert bench.invoke(spec).payload == b'"once"'


def test_closed_descriptors_end_the_runtime(bench: Bench):
    spec = bench.function(
        "import os\ndef handler(e, c):\n    os.closerange(3, 200)\n    return 1\n"
    )
    assert json.loads(bench.invoke(spec).payload)["errorType"] == "Runtime.ExitError"


@pytest.mark.parametrize("garbage", ["b'garbage' * 100", "bytes(range(16)) * 4"])
def test_garbage_on_the_channel_ends_the_runtime(bench: Bench, garbage: str):
    source = (
        f"import os, time\ndef handler(e, c):\n    os.write(3, {garbage})\n    time.sleep(60)\n"
    )
    outcome = bench.invoke(bench.function(source))
    assert json.loads(outcome.payload)["errorType"] == "Runtime.ExitError"


def test_memory_beyond_the_limit_is_killed(sandboxed: Bench):
    spec = sandboxed.function(
        "def handler(e, c):\n    return len(bytearray(2_000_000_000))\n", ephemeral_mb=512
    )
    payload = json.loads(sandboxed.invoke(spec).payload)
    assert payload["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")


def test_decimals_are_plain_numbers(bench: Bench):
    source = (
        "import decimal\ndef handler(e, c):\n    return {'n': decimal.Decimal('1.50'), 's': 'ü'}\n"
    )
    outcome = bench.invoke(bench.function(source))
    assert outcome.payload == b'{"n": 1.50, "s": "\\u00fc"}'


def test_variables_and_context(bench: Bench):
    source = (
        "import os\n"
        "def handler(e, c):\n"
        "    left = c.get_remaining_time_in_millis()\n"
        "    return {'env': dict(os.environ), 'left': left, 'limit': c.memory_limit_in_mb,"
        " 'arn': c.invoked_function_arn, 'name': c.function_name, 'group': c.log_group_name}\n"
    )
    found = bench.answer(source, environment={"MINE": "1", "AWS_REGION": "nowhere"})
    assert 4000 < found["left"] <= 5000
    assert found["limit"] == "128"
    assert found["name"] == "f"
    assert found["group"] == "/aws/lambda/f"
    environment = found["env"]
    assert environment["MINE"] == "1"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["_HANDLER"] == "app.handler"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert environment["TZ"] == ":UTC"
    assert "AWS_ACCESS_KEY_ID" not in environment
    assert "VIRTUAL_ENV" not in environment


def test_the_functions_own_modules_come_first(bench: Bench):
    spec = bench.function(
        "import boto3, json, queue\ndef handler(e, c):\n    return [boto3.MINE, queue.MINE]\n"
    )
    Path(spec.code, "boto3.py").write_text("MINE = 'boto3'")
    Path(spec.code, "queue.py").write_text("MINE = 'queue'")
    outcome = bench.invoke(spec)
    assert json.loads(outcome.payload) == ["boto3", "queue"]


def test_only_what_aws_has_can_be_imported(bench: Bench):
    source = "import boto3\nimport msgspec\ndef handler(e, c):\n    return 1\n"
    payload = json.loads(bench.invoke(bench.function(source)).payload)
    assert payload["errorMessage"] == "Unable to import module 'app': No module named 'msgspec'"


def test_layers_are_on_the_path(bench: Bench, tmp_path: Path):
    layers = []
    for name in ("one", "two"):
        folder = tmp_path / name / "python"
        folder.mkdir(parents=True)
        (folder / f"layer_{name}.py").write_text(f"NAME = {name!r}")
        layers.append(str(tmp_path / name))
    source = "import layer_one, layer_two\ndef handler(e, c):\n    return [layer_one.NAME, layer_two.NAME]\n"
    assert bench.answer(source, layers=tuple(layers)) == ["one", "two"]


def test_a_cancelled_caller_leaves_the_function_running(bench: Bench):
    source = "import time\ndef handler(e, c):\n    time.sleep(e)\n    return 1\n"
    spec = bench.function(source)
    bench.invoke(spec, 0)
    task = bench.start(spec, 0.3)

    async def cancel() -> None:
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        while bench.pool.counts()["busy"]:
            await asyncio.sleep(0.01)

    before = bench.pool.counts()["idle"]
    bench.run(cancel())
    assert task.cancelled()
    assert bench.pool.counts()["idle"] == before


def test_discard_ends_idle_environments(bench: Bench):
    spec = bench.function("import os\ndef handler(e, c):\n    return os.getpid()\n")
    bench.invoke(spec)
    before = bench.pool.counts()["idle"]
    bench.pool.discard(spec.key)
    assert bench.pool.counts()["idle"] == before - 1
    assert bench.invoke(spec).init_ms is not None


def test_many_at_once_and_beyond_the_processes(tmp_path: Path):
    bench = Bench(tmp_path, processes_max=2, waiting_max=10)
    try:
        source = "import time\ndef handler(e, c):\n    time.sleep(0.02)\n    return e\n"
        one, two = bench.function(source), bench.function(source)
        tasks = [bench.start(spec, i) for i in range(5) for spec in (one, two)]
        outcomes: list[Any] = bench.run(asyncio.gather(*tasks))
        assert [json.loads(o.payload) for o in outcomes] == [i for i in range(5) for _ in range(2)]
        tasks = [bench.start(one, i) for i in range(20)]
        settled = bench.run(asyncio.gather(*tasks, return_exceptions=True))
        assert sum(isinstance(o, PoolBusy) for o in settled) == 8
    finally:
        bench.close()


def test_close_leaves_no_process(tmp_path: Path):
    bench = Bench(tmp_path)
    zygotes = [station.zygote.pid for station in bench.pool.nursery._stations.values()]
    source = (
        "import os, subprocess, time\n"
        "def handler(e, c):\n"
        "    subprocess.Popen(['/bin/sh', '-c', 'sleep 1000 & sleep 1000'], start_new_session=True)\n"
        "    time.sleep(100)\n"
    )
    task = bench.start(bench.function(source))
    bench.run(asyncio.sleep(0.3))
    pids = [e.pid for e in bench.pool.nursery._environments]
    bench.close()
    assert pids
    assert not [pid for pid in [*pids, *zygotes] if pid and running(pid)]
    assert task is not None


def test_expired_credentials_end_an_environment(tmp_path: Path):
    bench = Bench(tmp_path)
    try:

        async def credentials(spec: Any) -> Credentials:
            return Credentials("AKIA", "secret", "token", 0.0)

        bench.pool.nursery._credentials = credentials
        spec = bench.function(
            "import os\ndef handler(e, c):\n    return os.environ['AWS_ACCESS_KEY_ID']\n"
        )
        assert bench.invoke(spec).payload == b'"AKIA"'
        assert bench.invoke(spec).init_ms is not None
    finally:
        bench.close()


def test_boto3_finds_its_data(bench: Bench):
    source = (
        "import boto3\n"
        "def handler(e, c):\n"
        "    client = boto3.client('sqs', aws_access_key_id='a', aws_secret_access_key='b')\n"
        "    return client.meta.endpoint_url\n"
    )
    assert bench.answer(source) == "http://127.0.0.1:4566"


def test_boto3_takes_nothing_of_sereins_own_environment(bench: Bench):
    """Serein has awscrt installed; a function has not, so boto3 must not have chosen its way by it."""
    source = (
        "import boto3\n"
        "from botocore.compat import HAS_CRT\n"
        "import boto3.s3.transfer\n"
        "def handler(e, c):\n"
        "    boto3.client('s3', region_name='us-east-1')\n"
        "    return HAS_CRT\n"
    )
    outcome = bench.invoke(bench.function(source))
    assert json.loads(outcome.payload) is False
