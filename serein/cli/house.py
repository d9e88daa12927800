"""How the command line speaks to the house itself (`/_serein/…`): signed, as to the API, for the service `serein`."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import click
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ANSWER_S_MAX = 60.0


def ask_house(
    endpoint: str,
    method: str,
    path: str,
    params: dict[str, Any] | None = None,
    *,
    timeout_s: float = ANSWER_S_MAX,
) -> dict[str, Any]:
    """What the house answers at `path`. Raises ClickException in one line when it refuses or nothing answers."""
    body = b"" if params is None else orjson.dumps(params)
    signed = AWSRequest(method, endpoint + path, data=body, headers={"Host": _host_of(endpoint)})
    credentials = Credentials(
        os.environ.get("AWS_ACCESS_KEY_ID", "test"),
        os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
        os.environ.get("AWS_SESSION_TOKEN"),
    )
    SigV4Auth(credentials, "serein", os.environ.get("AWS_REGION", "us-east-1")).add_auth(signed)
    request = urllib.request.Request(
        endpoint + path, data=body or None, method=method, headers=dict(signed.headers.items())
    )
    request.add_header("Content-Type", "application/json")
    # A proxy of the environment is for the world, not for what runs here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        raise click.ClickException(_words_of(error)) from None
    except TimeoutError:
        raise click.ClickException(
            f"Serein at {endpoint} has not answered within {timeout_s:.0f} seconds."
        ) from None
    except (OSError, HTTPException) as error:
        raise click.ClickException(
            f"Nothing answers at {endpoint}. Start Serein with `serein up`, "
            "or say where it is with --endpoint."
        ) from error
    try:
        told: dict[str, Any] = orjson.loads(content)
    except ValueError:
        raise click.ClickException(f"What answers at {endpoint} is no Serein.") from None
    return told


def _host_of(endpoint: str) -> str:
    return urlsplit(endpoint).netloc


def _words_of(error: urllib.error.HTTPError) -> str:
    try:
        message = orjson.loads(error.read())["message"]
    except (ValueError, KeyError, TypeError, OSError):
        message = f"Serein answered with status {error.code}."
    return " ".join(str(message).split())
