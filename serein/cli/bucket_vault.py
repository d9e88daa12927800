"""A bucket of any S3-compatible store as the place of backups."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from serein.store.errors import StoreError
from serein.store.keeping.vaults import NoSuchPiece

CONNECTIONS = 16


class BucketVault:
    """Pieces as objects below `s3://bucket/prefix`. Credentials, region and profile come from where AWS tools take them."""

    def __init__(self, url: str, endpoint: str | None) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise StoreError(f"{url} names no bucket: s3://bucket/prefix")
        self.words = url
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        config = Config(
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 5},
            s3={"addressing_style": "path" if endpoint else "auto"},
        )
        try:
            self._s3: Any = boto3.client("s3", endpoint_url=endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            raise StoreError(f"{url}: {error}") from error

    def list(self, prefix: str) -> Iterator[str]:
        with self._speaking(prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self._prefix)

    def get(self, name: str) -> bytes:
        with self.open(name) as piece:
            return piece.read()

    def put(self, name: str, content: bytes) -> None:
        with self._speaking(name):
            self._s3.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)

    def open(self, name: str) -> BinaryIO:
        with self._speaking(name):
            found = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + name)
            return cast(BinaryIO, found["Body"])

    def put_file(self, name: str, content: BinaryIO) -> None:
        with self._speaking(name):
            self._s3.upload_fileobj(content, self._bucket, self._prefix + name)

    def delete(self, name: str) -> None:
        with self._speaking(name):
            self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    @contextlib.contextmanager
    def _speaking(self, name: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("NoSuchKey", "404"):
                raise NoSuchPiece(f"{self.words} has no {name}") from None
            raise StoreError(f"{self.words}: {error}") from error
        except (BotoCoreError, Boto3Error) as error:
            raise StoreError(f"{self.words}: {error}") from error
