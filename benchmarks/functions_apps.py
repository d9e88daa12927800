"""The functions that benchmarks/functions.py deploys."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from typing import Any, NamedTuple


class App(NamedTuple):
    """A function's files, its runtime and its handler."""

    runtime: str
    handler: str
    files: tuple[tuple[str, str], ...]
    is_large: bool = False

    def archive(self) -> bytes:
        """The deployment package."""
        return _zipped(self.files)


@cache
def _zipped(files: tuple[tuple[str, str], ...]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o755 << 16
            archive.writestr(info, text)
    return buffer.getvalue()


def python(source: str, *more: tuple[str, str], is_large: bool = False) -> App:
    """A Python function."""
    return App("python3.11", "app.handler", (("app.py", source), *more), is_large)


def packaged(megabytes: int) -> App:
    """A function that imports so much of its own: modules of classes and functions, as packages have them."""
    piece = "\n".join(
        f"class C{n}:\n"
        f"    '''Stands for something that a package brings, with words about it: {'x' * 120}'''\n"
        f"    def __init__(self, a, b={n}):\n        self.a, self.b = a, b\n"
        f"    def compute(self):\n        return self.a * {n} + self.b\n"
        for n in range(100)
    )
    count = megabytes * 1_000_000 // len(piece)
    files = tuple((f"package/m{n}.py", piece) for n in range(count))
    names = "".join(f"from package import m{n}\n" for n in range(count))
    return python(names + _ECHO, ("package/__init__.py", ""), *files, is_large=True)


_ECHO = """
import time
def handler(event, context):
    if isinstance(event, dict) and "sleep" in event:
        time.sleep(event["sleep"])
    return event
"""
_SDK = "import boto3\ntable = boto3.client('dynamodb')\n" + _ECHO
_COUNTER = """
import os, boto3
sqs = boto3.client("sqs")
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=str(len(event["Records"])))
"""
_NODE = "export const handler = async (event) => event;\n"
_BOOTSTRAP = """#!/bin/sh
while true; do
  headers=$(mktemp)
  event=$(curl -sS -LD "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d "$event" > /dev/null
done
"""

ECHO = python(_ECHO)
COUNTER = python(_COUNTER)
SNAP = {"SnapStart": {"ApplyOn": "PublishedVersions"}}

# What is measured cold: title, function, more settings, whether a published version with SnapStart is called.
COLD: list[tuple[str, App, dict[str, Any], bool]] = [
    ("Python", ECHO, {}, False),
    ("Python, boto3 client", python(_SDK), {}, False),
    ("Python, 1 MB of modules of its own", packaged(1), {}, False),
    ("Python, 5 MB of modules of its own", packaged(5), {}, False),
    ("Python, SnapStart", ECHO, SNAP, True),
    ("Python, 5 MB, SnapStart", packaged(5), SNAP, True),
    ("Node.js", App("nodejs20.x", "index.handler", (("index.mjs", _NODE),)), {}, False),
    (
        "provided (a shell script)",
        App("provided.al2023", "none", (("bootstrap", _BOOTSTRAP),)),
        {},
        False,
    ),
]
