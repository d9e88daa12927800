"""The command line without a server: click's runner, and an endpoint where nothing answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from serein.cli.main import serein

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("deploy", "app")`: what the command said, and its exit code; no setting comes from outside."""
    for name in ("ENDPOINT_URL", "ACCESS_KEY_ID", "REGION", "DEFAULT_REGION", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)

    def run_it(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(serein, list(arguments), env=environment, prog_name="serein")

    return run_it


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An endpoint that is taken but where nobody listens, so connecting to it is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
