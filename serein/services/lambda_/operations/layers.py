"""Layers: code that functions share."""

from __future__ import annotations

from types import ModuleType

from serein.kernel import pages
from serein.kernel.calls import Call
from serein.kernel.operations import Context, Read, Tx, operation
from serein.services.lambda_.access import find_layer_version, layer_of, layer_version_of
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.model import ResourceNotFoundException
from serein.services.lambda_.operations.code import Code, accept_code
from serein.services.lambda_.records import (
    LAYER_COUNTERS,
    LAYERS,
    Answer,
    LayerCounter,
    LayerVersion,
    Request,
)
from serein.services.lambda_.rules.configuration import iso_time, page_start, refuse
from serein.services.lambda_.rules.conflicts import not_there

_PAGE_SIZE = 50


def operations(functions: Functions) -> ModuleType:
    """PublishLayerVersion, over these functions."""
    module = ModuleType(__name__)

    @operation("PublishLayerVersion", on=layer_of)
    async def publish_layer_version(cx: Context, request: Request) -> Answer:
        """Keep an archive as the next version of a layer."""
        code = await accept_code(cx, functions, request["Content"])
        layer = await cx.transact(_publish, request, code)
        both: Answer = {"CompatibleRuntimes": [], "CompatibleArchitectures": []}
        return {**both, **_shown(cx, layer)}

    module.__dict__.update(publish_layer_version=publish_layer_version)
    return module


def _publish(tx: Tx, request: Request, code: Code) -> LayerVersion:
    name = request["LayerName"].rpartition(":")[2]
    key = (tx.account, tx.region, name)
    counter = tx.get(LAYER_COUNTERS, *key)
    number = (counter.last if counter else 0) + 1
    tx.put(
        LAYER_COUNTERS,
        LayerCounter(account=tx.account, region=tx.region, name=name, last=number),
    )
    layer = LayerVersion(
        account=tx.account,
        region=tx.region,
        name=name,
        version=number,
        description=request.get("Description", ""),
        license=request.get("LicenseInfo", ""),
        runtimes=tuple(request.get("CompatibleRuntimes") or ()),
        architectures=tuple(request.get("CompatibleArchitectures") or ()),
        code_blob=code.blob,
        code_sha256=code.sha256,
        code_size=code.size,
        unzipped=code.unzipped,
        created_at=tx.now,
    )
    tx.put(LAYERS, layer)
    return layer


@operation("GetLayerVersion", on=layer_version_of)
def get_layer_version(read: Read, request: Request) -> Answer:
    """A layer version and where it can be fetched."""
    if request["VersionNumber"] < 1:
        raise refuse("Layer Version Cannot be less than 1")
    name = request["LayerName"].rpartition(":")[2]
    layer = read.get(LAYERS, read.account, read.region, name, request["VersionNumber"])
    if layer is None:
        raise not_there()
    return _shown(read, layer)


def _arn_of(call: Call) -> str:
    return str(call.params["Arn"])


@operation("GetLayerVersionByArn", on=_arn_of, action="lambda:GetLayerVersion")
def get_layer_version_by_arn(read: Read, request: Request) -> Answer:
    """A layer version by its ARN."""
    try:
        return _shown(read, find_layer_version(read, request["Arn"]))
    except ResourceNotFoundException as error:
        raise not_there() from error


@operation("ListLayerVersions")
def list_layer_versions(read: Read, request: Request) -> Answer:
    """A layer's versions, newest first."""
    name = request["LayerName"].rpartition(":")[2]
    before = page_start(request, "ListLayerVersions")
    scanned = (
        layer
        for layer in read.scan(LAYERS, (read.account, read.region, name), reverse=True)
        if _fits(layer, request) and (not before or (layer.version,) < before)
    )
    page, token = pages.take_page(
        scanned,
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda v: pages.encode_token("ListLayerVersions", v.version),
    )
    return {"LayerVersions": [_summary(layer) for layer in page], "NextMarker": token}


@operation("ListLayers")
def list_layers(read: Read, request: Request) -> Answer:
    """The account's layers with their latest versions."""
    latest: dict[str, LayerVersion] = {}
    after = page_start(request, "ListLayers")
    for layer in read.scan(LAYERS, (read.account, read.region)):
        if _fits(layer, request) and (not after or (layer.name,) > after):
            latest[layer.name] = layer
    page, token = pages.take_page(
        latest.values(),
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda v: pages.encode_token("ListLayers", v.name),
    )
    return {
        "Layers": [
            {
                "LayerName": layer.name,
                "LayerArn": layer.layer_arn,
                "LatestMatchingVersion": _summary(layer),
            }
            for layer in page
        ],
        "NextMarker": token,
    }


@operation("DeleteLayerVersion", on=layer_version_of)
def delete_layer_version(tx: Tx, request: Request) -> Answer:
    """Forget a layer version; functions that use it go on."""
    if request["VersionNumber"] < 1:
        raise refuse("Layer Version Cannot be less than 1")
    name = request["LayerName"].rpartition(":")[2]
    tx.delete(LAYERS, tx.account, tx.region, name, request["VersionNumber"])
    return {}


def _fits(layer: LayerVersion, request: Request) -> bool:
    runtime = request.get("CompatibleRuntime")
    architecture = request.get("CompatibleArchitecture")
    return (runtime is None or runtime in layer.runtimes) and (
        architecture is None or architecture in layer.architectures
    )


def _summary(layer: LayerVersion) -> Answer:
    shown: Answer = {
        "LayerVersionArn": layer.arn,
        "Version": layer.version,
        "Description": layer.description,
        "CreatedDate": iso_time(layer.created_at),
    }
    if layer.runtimes:
        shown["CompatibleRuntimes"] = list(layer.runtimes)
    if layer.architectures:
        shown["CompatibleArchitectures"] = list(layer.architectures)
    if layer.license:
        shown["LicenseInfo"] = layer.license
    return shown


def _shown(position: Read | Context, layer: LayerVersion) -> Answer:
    scheme = "https" if position.scope.secure else "http"
    host = position.scope.host or "127.0.0.1:4566"
    return {
        **_summary(layer),
        "LayerArn": layer.layer_arn,
        "Content": {
            "Location": f"{scheme}://{host}/_serein/lambda/code/{layer.code_blob}",
            "CodeSha256": layer.code_sha256,
            "CodeSize": layer.code_size,
        },
    }
