"""Amazon's DAX client for JavaScript (v3): the second client of the protocol."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.test_javascript import MODULES, SCRIPTS
from tests.running import RunningSerein
from tests.services.dax.conftest import Running, make_role

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        shutil.which("node") is None or not (MODULES / "@amazon-dax-sdk" / "lib-dax").is_dir(),
        reason="node, or the client's package (`make clients`), is absent",
    ),
]


def test_dax_client_for_javascript(tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        running = Running(serein)
        running.client("dynamodb").create_table(
            TableName="daxjs",
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        endpoint = running.make_cluster("js", make_role(running.client("iam")))
        done = subprocess.run(
            ["node", str(SCRIPTS / "dax.mjs"), endpoint],
            env={**serein.environment(), "SEREIN_NODE_MODULES": str(MODULES)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
