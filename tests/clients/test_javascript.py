"""The SDK for JavaScript (v3) against S3, DynamoDB and SQS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.programs import ROOT
from tests.running import RunningSerein

MODULES = ROOT / ".clients" / "node_modules"
SCRIPTS = Path(__file__).parent / "javascript"

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        shutil.which("node") is None or not (MODULES / "@aws-sdk" / "client-s3").is_dir(),
        reason="node, or the SDK's packages (`make clients`), are absent",
    ),
]


@pytest.mark.parametrize("script", ["clients.mjs", "documents.mjs"])
def test_sdk_for_javascript(tmp_path: Path, script: str) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        done = subprocess.run(
            ["node", str(SCRIPTS / script)],
            env={**serein.environment(), "SEREIN_NODE_MODULES": str(MODULES)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
