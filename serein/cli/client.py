"""How the command line reaches a running Serein: like any client, by the AWS API."""

from __future__ import annotations

import os
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError


class Cloud:
    """boto3 clients of one endpoint. Credentials and region come from the environment, as AWS tools take them."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        try:
            self._session = boto3.session.Session(
                aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "test"),
                aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
                aws_session_token=os.environ.get("AWS_SESSION_TOKEN"),
                region_name=region or "us-east-1",
            )
        except BotoCoreError as error:  # for example AWS_PROFILE names a profile that is not there
            raise click.ClickException(str(error)) from error

    @property
    def region(self) -> str:
        return str(self._session.region_name)

    def client(self, service: str, read_timeout_s: int = 60) -> Any:
        """A client for `service`."""
        config = Config(
            retries={"max_attempts": 2},
            connect_timeout=3,
            read_timeout=read_timeout_s,
            s3={"addressing_style": "path"},
            user_agent_extra="serein-cli",
        )
        return self._session.client(service, endpoint_url=self.endpoint, config=config)


class Speaking:
    """Turns what can go wrong while talking to Serein into one line that says how to mend it."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EndpointConnectionError):
            raise click.ClickException(
                f"Nothing answers at {self._endpoint}. Start Serein with `serein up`, "
                "or say where it is with --endpoint."
            ) from None
        if isinstance(error, ClientError):
            detail = error.response.get("Error", {})
            said = f"{detail.get('Code', 'Error')}: {detail.get('Message') or error}"
            raise click.ClickException(" ".join(said.split())) from None
        if isinstance(error, BotoCoreError):
            raise click.ClickException(str(error)) from None
