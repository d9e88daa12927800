"""The example, deployed with `serein deploy` and used over real sockets; then again after a restart."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.clients.todo import TodoUser
from tests.running import RunningSerein

ROOT = Path(__file__).parents[2]


def serein(running: RunningSerein, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "serein.cli.main", *arguments],
        env=running.environment(),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, f"serein {arguments[0]}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def output(told: str, key: str) -> str:
    found = re.search(rf"^  {key} +(\S+)$", told, re.MULTILINE)
    assert found, told
    return found.group(1)


def test_deploy_use_restart_delete(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as running:
        endpoint = f"PublicEndpoint={running.endpoint}"
        told = serein(running, "deploy", str(ROOT / "examples/todo"), "--param", endpoint)
        api = output(told, "ApiId")
        user = TodoUser(f"{running.endpoint}/_aws/execute-api/{api}/$default")
        user.whole_story()
        assert user.ask("POST", "/todos", {"title": "kept"})[0] == 201

        assert "no changes" in serein(
            running, "deploy", str(ROOT / "examples/todo"), "--param", endpoint
        )
        assert "todo" in serein(running, "status")
        assert "START RequestId" in serein(running, "logs", output(told, "RecordFunction"))

        running.stop()
        running.start()
        user = TodoUser(f"{running.endpoint}/_aws/execute-api/{api}/$default")
        assert [t["title"] for t in user.ask("GET", "/todos")[1]["todos"]] == ["kept"]

        bucket = output(told, "Bucket")
        empty_bucket(running, bucket)
        serein(running, "delete", "todo")


def empty_bucket(running: RunningSerein, bucket: str) -> None:
    """As on AWS, a bucket must be empty before its stack can be deleted."""
    script = "import boto3, sys\nboto3.resource('s3').Bucket(sys.argv[1]).objects.all().delete()\n"
    subprocess.run([sys.executable, "-c", script, bucket], env=running.environment(), check=True)
