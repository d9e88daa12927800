"""Packaging: a template's local code becomes archives in a bucket, named by what is in them."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from botocore.exceptions import ClientError

from serein.cli.client import Cloud
from serein.cli.env_files import give_variables
from serein.engines.templates import TemplateError, parse_template

ARCHIVE_BYTES_MAX = 250 * 1024 * 1024
SKIPPED = frozenset({"__pycache__", ".git", ".venv", ".aws-sam", ".mypy_cache", ".pytest_cache"})
EPOCH = (1980, 1, 1, 0, 0, 0)
Place = Callable[[str, str], Any]


def _uri(bucket: str, key: str) -> Any:
    return f"s3://{bucket}/{key}"


def _function_code(bucket: str, key: str) -> Any:
    return {"S3Bucket": bucket, "S3Key": key}


LOCAL_CODE: Mapping[str, tuple[tuple[str, Place], ...]] = {
    "AWS::Serverless::Function": (("CodeUri", _uri),),
    "AWS::Serverless::LayerVersion": (("ContentUri", _uri),),
    "AWS::Serverless::HttpApi": (("DefinitionUri", _uri),),
    "AWS::Serverless::Api": (("DefinitionUri", _uri),),
    "AWS::Lambda::Function": (("Code", _function_code),),
    "AWS::Lambda::LayerVersion": (("Content", _function_code),),
}


class PackagingError(Exception):
    """The template or the code it names cannot be packaged; the message says what and where."""


def package_template(path: Path, cloud: Cloud, variables: Mapping[str, str] | None = None) -> str:
    """The template at `path` as JSON text, with local code uploaded and its places filled in.

    `variables` are given to each of its functions.
    """
    template = _read(path)
    if variables and isinstance(template, dict):
        give_variables(template, dict(variables))
    bucket = _Bucket(cloud)
    shared = _member(_member(_member(template, "Globals"), "Function"), "CodeUri")
    resources = _member(template, "Resources")
    for logical_id, resource in resources.items() if isinstance(resources, dict) else ():
        if isinstance(resource, dict):
            _package_resource(logical_id, resource, shared, path.parent, bucket)
    return orjson.dumps(template).decode()


class FunctionCode(NamedTuple):
    """A function of a template, and the folder or file that its code is made of."""

    logical_id: str
    source: Path
    publishes: bool  # whether a deployment publishes a version of it


def local_sources(path: Path) -> list[Path]:
    """The folders and files of local code that a template names; none where it cannot be read."""
    return list(dict.fromkeys(source for _, _, source, _ in _sources(path)))


def function_sources(path: Path) -> list[FunctionCode]:
    """The functions of a template whose code is local."""
    globally = _member(_member(_try_read(path), "Globals"), "Function")
    return [
        FunctionCode(
            logical_id,
            source,
            bool(properties.get("AutoPublishAlias") or _member(globally, "AutoPublishAlias")),
        )
        for logical_id, kind, source, properties in _sources(path)
        if kind.endswith("::Function")
    ]


def _sources(path: Path) -> Iterator[tuple[str, str, Path, dict[str, Any]]]:
    template = _try_read(path)
    shared = _member(_member(_member(template, "Globals"), "Function"), "CodeUri")
    resources = _member(template, "Resources")
    for logical_id, resource in resources.items() if isinstance(resources, dict) else ():
        properties = _member(resource, "Properties")
        if not isinstance(properties, dict):
            properties = {}
        kind = str(_member(resource, "Type") or "")
        for member, _ in LOCAL_CODE.get(kind, ()):
            local = _local(kind, properties, member, shared)
            if local is not None:
                yield logical_id, kind, (path.parent / local).resolve(), properties


def _try_read(path: Path) -> Any:
    try:
        return _read(path)
    except PackagingError:
        return None


def _read(path: Path) -> Any:
    try:
        return parse_template(path.read_text("utf-8"))
    except TemplateError as error:
        raise PackagingError(f"{path}: {error.message}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PackagingError(f"{path} cannot be read: {error}") from error


def _local(kind: str, properties: dict[str, Any], member: str, shared: Any) -> str | None:
    """The local path that a resource names for its code, None where that is elsewhere."""
    local = properties.get(member)
    if kind == "AWS::Serverless::Function" and local is None:
        if "InlineCode" in properties or "ImageUri" in properties:
            return None
        if properties.get("PackageType") == "Image":
            return None  # images are built and pushed by whoever deploys: CloudFormation says what is missing
        local = shared or "."
    if isinstance(local, str) and not local.startswith(("s3://", "http://", "https://")):
        return local
    return None


def _member(value: Any, name: str) -> Any:
    """A member of what should be a mapping, None where it is something else (CloudFormation will say so)."""
    return value.get(name) if isinstance(value, dict) else None


def _package_resource(
    logical_id: str, resource: dict[str, Any], shared: Any, folder: Path, bucket: _Bucket
) -> None:
    properties = resource.get("Properties")
    if properties is None:
        properties = resource["Properties"] = {}
    if not isinstance(properties, dict):
        return  # CloudFormation says what is wrong with it
    kind = resource.get("Type", "")
    for member, place in LOCAL_CODE.get(kind, ()):
        local = _local(kind, properties, member, shared)
        if local is not None:
            properties[member] = place(*bucket.upload(folder / local, f"{logical_id}.{member}"))


class _Bucket:
    """The artifacts bucket, made when it is first needed; an archive that is there is not sent again."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._s3: Any = None
        self._name = ""
        self._sent: dict[Path, str] = {}

    def upload(self, source: Path, where: str) -> tuple[str, str]:
        """Archive `source` (a file is sent as it is) and give bucket and key."""
        source = source.resolve()
        if not source.exists():
            raise PackagingError(f"{where}: {source} does not exist.")
        if self._s3 is None:
            self._open()
        key = self._sent.get(source)
        if key is None:
            try:
                data = source.read_bytes() if source.is_file() else archive(source, where)
            except OSError as error:
                raise PackagingError(f"{where}: {source} cannot be read: {error}") from error
            key = f"{hashlib.sha256(data).hexdigest()[:40]}{source.suffix if source.is_file() else '.zip'}"
            self._send(key, data)
            self._sent[source] = key
        return self._name, key

    def _open(self) -> None:
        self._s3 = self._cloud.client("s3")
        account = self._cloud.client("sts").get_caller_identity()["Account"]
        self._name = f"serein-artifacts-{account}-{self._cloud.region}"
        try:
            self._s3.head_bucket(Bucket=self._name)
        except ClientError:
            place: dict[str, Any] = {}
            if self._cloud.region != "us-east-1":
                place = {"CreateBucketConfiguration": {"LocationConstraint": self._cloud.region}}
            self._s3.create_bucket(Bucket=self._name, **place)

    def _send(self, key: str, data: bytes) -> None:
        try:
            self._s3.head_object(Bucket=self._name, Key=key)
        except ClientError:
            self._s3.put_object(Bucket=self._name, Key=key, Body=data)


def archive(folder: Path, where: str) -> bytes:
    """A zip of `folder`, the same bytes for the same content (sorted names, fixed times)."""
    out = io.BytesIO()
    size = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(_files_in(folder)):
            size += path.stat().st_size
            if size > ARCHIVE_BYTES_MAX:
                raise PackagingError(f"{where}: {folder} holds more than 250 MB.")
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            info.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, path.read_bytes())
    return out.getvalue()


def _files_in(folder: Path) -> list[Path]:
    found: list[Path] = []
    for base, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED]
        found.extend(Path(base) / name for name in files)
    return found
