"""Where the signing suite is, and how its requests are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serein.wire.http import HttpRequest

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def suite_folder() -> Path | None:
    """The folder of the AWS signing suite; None where it is absent."""
    root = os.environ.get("SEREIN_TEST_DATA")
    data = Path(root) if root else Path(__file__).parents[3].parent / "shared" / "data"
    folder = data / "sigv4"
    return folder if folder.is_dir() else None


def need_suite() -> Path:
    """The folder of the suite, or the test is skipped (in CI: failed)."""
    folder = suite_folder()
    if folder is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the signing suite is absent")
        pytest.skip("the signing suite is absent")
    return folder


def read_request(path: Path) -> HttpRequest:
    """A request of the suite as the front would hand it on: latin-1, folded lines joined."""
    text = path.read_bytes().decode("latin-1").replace("\r\n", "\n")
    head, _, body = text.partition("\n\n")
    first, *lines = head.split("\n")
    method, _, rest = first.partition(" ")
    target = rest.rpartition(" HTTP/")[0]
    route, _, query = target.partition("?")
    header_list: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith((" ", "\t")):
            name, value = header_list[-1]
            header_list[-1] = (name, value + " " + line.strip())
        elif line:
            name, _, value = line.partition(":")
            header_list.append((name, value.strip()))
    headers: dict[str, str] = {}
    for name, value in header_list:
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    return HttpRequest(
        method, route, query, headers, header_list, body.strip("\n").encode("latin-1")
    )
