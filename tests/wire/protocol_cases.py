"""Botocore's published protocol cases, as tests read them (`../shared/data/aws-protocols`)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serein.wire.models import ServiceWire
from serein.wire.shapes import ServiceModel

DATA = Path(
    os.environ.get("SEREIN_TEST_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data"
)
FOLDER = DATA / "aws-protocols"


class Case(msgspec.Struct, frozen=True):
    """One case of one suite."""

    file: str
    id: str
    suite: dict[str, Any]
    case: dict[str, Any]

    @property
    def protocol(self) -> str:
        return str(self.suite["metadata"]["protocol"])

    def service(self) -> ServiceWire:
        """A service with this case's operation only."""
        given = self.case["given"]
        model = msgspec.convert(
            {
                "metadata": self.suite["metadata"],
                "shapes": self.suite["shapes"],
                "operations": {given["name"]: given},
            },
            type=ServiceModel,
        )
        return ServiceWire("protocol-tests", model)


def cases(direction: str) -> list[Any]:
    """All cases of "input" or "output" as pytest parameters; one skipped parameter where the data is absent."""
    if not FOLDER.is_dir():
        if os.environ.get("CI") == "true":
            raise FileNotFoundError(f"{FOLDER} must be there in CI")
        reason = "the protocol cases are not at ../shared/data (or $SEREIN_TEST_DATA)"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(case, id=f"{case.file}-{case.id}") for case in _cases(direction)]


def _cases(direction: str) -> Iterator[Case]:
    for path in sorted((FOLDER / direction).glob("*.json")):
        for suite in json.loads(path.read_text()):
            for case in suite["cases"]:
                yield Case(path.stem, case["id"], suite, case)
