"""Packaging: the same code gives the same archive; what cannot be packaged is refused by name."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest

from serein.cli import package
from serein.cli.client import Cloud as CommandLineCloud
from serein.cli.package import PackagingError, archive, package_template
from tests.cloud import Cloud

FUNCTION = "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src}}}\n"


class InHouse:
    """What packaging needs of the command line's cloud, in memory."""

    region = "us-east-1"

    def __init__(self) -> None:
        self.cloud = Cloud()

    def client(self, service: str) -> Any:
        return self.cloud.client(service)


@pytest.fixture
def house() -> Any:
    made = InHouse()
    yield made
    made.cloud.close()


def packaged(path: Path, house: InHouse) -> Any:
    return json.loads(package_template(path, cast(CommandLineCloud, house)))


def code(folder: Path) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "app.py").write_text("def handler(event, context): return 1\n")
    (folder / "lib" / "more.py").write_text("")
    return folder


def names(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_same_content_same_bytes(tmp_path: Path) -> None:
    first, second = code(tmp_path / "a"), code(tmp_path / "b")
    os.utime(second / "app.py", (1, 1))
    assert archive(first, "F.CodeUri") == archive(second, "F.CodeUri")
    (second / "app.py").write_text("def handler(event, context): return 2\n")
    assert archive(first, "F.CodeUri") != archive(second, "F.CodeUri")


def test_what_is_left_out(tmp_path: Path) -> None:
    folder = code(tmp_path / "a")
    for name in package.SKIPPED:
        (folder / name).mkdir()
        (folder / name / "file").write_text("x")
    assert names(archive(folder, "F.CodeUri")) == ["app.py", "lib/more.py"]


def test_executables_stay_executable(tmp_path: Path) -> None:
    """A custom runtime's `bootstrap` must be executable:
    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html"""
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    (tmp_path / "bootstrap").chmod(0o755)
    packed = zipfile.ZipFile(io.BytesIO(archive(tmp_path, "F.CodeUri")))
    assert packed.infolist()[0].external_attr >> 16 == 0o755


def test_code_goes_to_the_bucket_once(tmp_path: Path, house: InHouse) -> None:
    code(tmp_path / "src")
    template = tmp_path / "template.yaml"
    template.write_text(FUNCTION)
    uri = packaged(template, house)["Resources"]["F"]["Properties"]["CodeUri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    assert bucket == "serein-artifacts-000000000000-us-east-1"
    stored = house.client("s3").get_object(Bucket=bucket, Key=key)
    assert names(stored["Body"].read()) == ["app.py", "lib/more.py"]
    assert packaged(template, house)["Resources"]["F"]["Properties"]["CodeUri"] == uri
    assert house.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_what_is_not_local_stays(tmp_path: Path, house: InHouse) -> None:
    resources = {
        "Inline": {"Type": "AWS::Serverless::Function", "Properties": {"InlineCode": "x"}},
        "Remote": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k"}},
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "t"}},
        "Zip": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ZipFile": "x"}}},
    }
    template = tmp_path / "template.json"
    template.write_text(json.dumps({"Resources": resources}))
    assert packaged(template, house) == {"Resources": resources}


@pytest.mark.parametrize(
    "text",
    [
        "Resources: []",
        "Globals: []\nResources: {F: {Type: 'AWS::Serverless::Function', Properties: []}}",
        "Resources: {F: [1]}",
        "Globals: {Function: }\nResources: {Q: {Type: 'AWS::SQS::Queue', Properties: }}",
    ],
)
def test_malformed_parts_are_left_to_cloudformation(
    tmp_path: Path, house: InHouse, text: str
) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(text)
    assert packaged(template, house)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FUNCTION, "F.CodeUri: {folder}/src does not exist."),
        ("- a list", "{folder}/template.yaml: Template format error: unsupported structure."),
        ("a: [", "{folder}/template.yaml: Template format error: "),
        (b"\xff\xfe", "{folder}/template.yaml cannot be read: "),
    ],
    ids=["no code", "no map", "no yaml", "no text"],
)
def test_refusals(tmp_path: Path, house: InHouse, text: str | bytes, reason: str) -> None:
    template = tmp_path / "template.yaml"
    template.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PackagingError) as caught:
        packaged(template, house)
    assert str(caught.value).startswith(reason.format(folder=tmp_path))


def test_a_broken_link_is_refused(tmp_path: Path, house: InHouse) -> None:
    folder = code(tmp_path / "src")
    (folder / "gone.py").symlink_to(tmp_path / "nothing")
    (tmp_path / "template.yaml").write_text(FUNCTION)
    with pytest.raises(PackagingError, match=r"F\.CodeUri: .* cannot be read"):
        packaged(tmp_path / "template.yaml", house)


def test_too_much_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """250 MB unzipped: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    monkeypatch.setattr(package, "ARCHIVE_BYTES_MAX", 10)
    with pytest.raises(PackagingError, match="holds more than 250 MB"):
        archive(code(tmp_path / "src"), "F.CodeUri")


def test_images_are_left_as_they_are(tmp_path: Path, house: InHouse):
    """They are built and pushed by whoever deploys: https://docs.aws.amazon.com/serverless-application-model/"""
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources:\n"
        "  F: {Type: 'AWS::Serverless::Function', Properties: {PackageType: Image, ImageUri: 'x/app:v1'}}\n"
        "  G: {Type: 'AWS::Lambda::Function', Properties: {PackageType: Image, Code: {ImageUri: 'x/app:v1'}}}\n"
        "  H: {Type: 'AWS::Serverless::Function', Properties: {PackageType: Image}}\n"
    )
    made = packaged(template, house)["Resources"]
    assert made["F"]["Properties"] == {"PackageType": "Image", "ImageUri": "x/app:v1"}
    assert made["G"]["Properties"]["Code"] == {"ImageUri": "x/app:v1"}
    assert made["H"]["Properties"] == {"PackageType": "Image"}
    assert house.cloud.client("s3").list_buckets()["Buckets"] == []
