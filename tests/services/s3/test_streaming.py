"""Long bodies through a real server, both ways, with an SDK's default settings (streaming trailers)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from tests.running import RunningSerein
from tests.services.s3.words import BUCKET

SIZE = 20 * 1024 * 1024


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with RunningSerein(tmp_path_factory.mktemp("data")) as serein:
        client = boto3.client(
            "s3",
            endpoint_url=serein.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "20m"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_whole(real: Any, source: Path, algorithm: str) -> None:
    with source.open("rb") as file:
        real.put_object(Bucket=BUCKET, Key="k", Body=file, ChecksumAlgorithm=algorithm)
    assert real.get_object(Bucket=BUCKET, Key="k")["Body"].read() == source.read_bytes()
    head = real.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert (head["ContentLength"], f"Checksum{algorithm}" in head) == (SIZE, True)


def test_in_parts(real: Any, source: Path, tmp_path: Path) -> None:
    settings = TransferConfig(multipart_threshold=5 * 1024**2, multipart_chunksize=6 * 1024**2)
    real.upload_file(str(source), BUCKET, "parts", Config=settings)
    back = tmp_path / "back"
    real.download_file(BUCKET, "parts", str(back), Config=settings)
    assert back.read_bytes() == source.read_bytes()
    part = real.get_object(Bucket=BUCKET, Key="parts", PartNumber=2)
    content = source.read_bytes()
    assert part["Body"].read() == content[6 * 1024**2 : 12 * 1024**2]
    assert part["PartsCount"] == 4
    real.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "parts"})
    assert real.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == content
