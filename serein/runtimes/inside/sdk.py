"""The AWS SDK warmed up before the fork: the models that functions mostly need are parsed once, for all of them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import Any

_SERVICES = ("dynamodb", "s3", "sqs")
_NOBODYS = {
    # Nothing of the host's configuration may find its way into a function.
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def warm_up() -> Iterator[None]:
    """Make a client of the common services, and keep what was read for it; children make theirs in a fraction.

    A step for each; a Python without the SDK is left as it is.
    """
    try:
        loaders: Any = importlib.import_module("botocore.loaders")
        sessions: Any = importlib.import_module("botocore.session")
    except Exception:
        return  # none, or none that this Python can run
    reader = loaders.JSONFileLoader
    reader.load_file = _remembering(reader.load_file)
    for name in _SERVICES:
        # Set for each step alone: a child may be forked between two.
        os.environ.update(_NOBODYS)
        try:
            sessions.Session().create_client(
                name,
                region_name="us-east-1",
                aws_access_key_id="nobody",
                aws_secret_access_key="nobody",
                endpoint_url="http://127.0.0.1:4566",
            )
        finally:
            for variable in _NOBODYS:
                del os.environ[variable]
        yield


def _remembering(load_file: Any) -> Any:
    """The SDK's reader of JSON files, which reads each only once (its callers share results within a session, too)."""
    known: dict[str, Any] = {}

    def load(self: Any, path: str) -> Any:
        found = known.get(path)
        if found is None:
            found = load_file(self, path)
            if found is not None and len(known) < 256:
                known[path] = found
        return found

    return load
