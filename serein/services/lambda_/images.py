"""Functions made of container images: the image found in its registry, held on to, and unpacked.

https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.contracts.container_images import CONFIGS, LAYER_TYPES, LAYERS, MANIFESTS
from serein.kernel.calls import service_principal
from serein.kernel.operations import Context, Need
from serein.runtimes.images.configuration import (
    BadImage,
    ImageConfiguration,
    ImageTooLarge,
    parse_configuration,
)
from serein.runtimes.images.larder import Larder
from serein.runtimes.images.programs import Overrides, image_root
from serein.runtimes.spec import ImageRoot
from serein.services.lambda_.records import ImageUse, LayerBlob
from serein.services.lambda_.rules.configuration import refuse
from serein.services.lambda_.rules.images import (
    ImageAddress,
    not_allowed,
    not_supported,
    not_there,
    parse_address,
)
from serein.store.blobs import BlobId

PRINCIPAL = "lambda.amazonaws.com"
POLICY_SID = "LambdaECRImageRetrievalPolicy"
_DENIED = ("AccessDeniedException", "AccessDenied")
_LAYERS_MAX = 127  # https://docs.aws.amazon.com/lambda/latest/dg/images-create.html


async def find_image(cx: Context, uri: str, function: str) -> ImageUse:
    """The image of an address, its tag resolved to a digest, with the blobs that it is made of.

    The caller must be allowed to fetch it, and so must Lambda, which is given that right where the caller may give it.
    Raises InvalidParameterValueException, AccessDeniedException.
    """
    address = parse_address(uri, cx.account, cx.region)
    source = f"arn:aws:lambda:{cx.region}:{cx.account}:function:{function}"
    image = await _fetch_manifest(cx, address, uri)
    await _let_lambda_in(cx, address, source)
    if image["imageManifestMediaType"] not in MANIFESTS:
        raise not_supported(uri)
    try:
        manifest = orjson.loads(image["imageManifest"])
        config, layers = manifest["config"], manifest["layers"]
        kinds = [layer["mediaType"] for layer in layers]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise not_supported(uri) from error
    if config.get("mediaType") not in CONFIGS or any(kind not in LAYER_TYPES for kind in kinds):
        raise not_supported(uri)
    if len(layers) > _LAYERS_MAX:
        raise refuse(f"The source image {uri} has more than {_LAYERS_MAX} layers.")
    held = [_held(cx, address, one["digest"]) for one in (config, *layers)]
    if None in held:
        raise not_there(uri)
    blobs = [one for one in held if one is not None]
    digest = image["imageId"]["imageDigest"]
    return ImageUse(
        uri=uri,
        resolved_uri=f"{address.place}@{digest}",
        digest=digest,
        config_blob=blobs[0].blob,
        layers=tuple(blobs[1:]),
    )


async def _fetch_manifest(cx: Context, address: ImageAddress, uri: str) -> dict[str, Any]:
    """The image as its caller may fetch it."""
    params = {
        "registryId": address.account,
        "repositoryName": address.name,
        "imageIds": [address.image_id],
    }
    try:
        answer = await cx.call(cx.make_call("ecr", "BatchGetImage", params))
        cx.judge(Need("ecr:GetDownloadUrlForLayer", address.arn))
    except AwsError as error:
        if error.code in _DENIED:
            raise not_allowed() from error
        raise not_there(uri) from error
    if not answer["images"]:
        raise not_there(uri)
    found: dict[str, Any] = answer["images"][0]
    return found


async def _let_lambda_in(cx: Context, address: ImageAddress, source: str) -> None:
    """See that Lambda itself may fetch the image; within an account the repository's policy is added to."""
    service = service_principal(PRINCIPAL, cx.account)
    acting = cx.acting(service, account=cx.account, region=cx.region, source_arn=source)
    if _may_fetch(acting, address):
        return
    if address.account != cx.account:
        raise not_allowed()
    named = {"registryId": address.account, "repositoryName": address.name}
    statements: list[Any] = []
    try:
        try:
            answer = await cx.call(cx.make_call("ecr", "GetRepositoryPolicy", dict(named)))
            statements = json.loads(answer["policyText"]).get("Statement", [])
        except AwsError as error:
            if error.code != "RepositoryPolicyNotFoundException":
                raise
        if isinstance(statements, dict):
            statements = [statements]
        kept = [one for one in statements if one.get("Sid") != POLICY_SID]
        policy = {"Version": "2012-10-17", "Statement": [*kept, _statement(cx)]}
        params = {**named, "policyText": json.dumps(policy)}
        await cx.call(cx.make_call("ecr", "SetRepositoryPolicy", params))
    except AwsError as error:
        raise not_allowed() from error
    if not _may_fetch(acting, address):
        raise not_allowed()


def _may_fetch(acting: Context, address: ImageAddress) -> bool:
    try:
        for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
            acting.judge(Need(action, address.arn))
    except AwsError:
        return False
    return True


def _statement(cx: Context) -> dict[str, Any]:
    """What Lambda adds to a repository's policy.

    https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#configuration-images-permissions
    """
    return {
        "Sid": POLICY_SID,
        "Effect": "Allow",
        "Principal": {"Service": PRINCIPAL},
        "Action": [
            "ecr:BatchGetImage",
            "ecr:DeleteRepositoryPolicy",
            "ecr:GetDownloadUrlForLayer",
            "ecr:GetRepositoryPolicy",
            "ecr:SetRepositoryPolicy",
        ],
        "Condition": {
            "StringLike": {"aws:sourceArn": f"arn:aws:lambda:{cx.region}:{cx.account}:function:*"}
        },
    }


def _held(cx: Context, address: ImageAddress, digest: str) -> LayerBlob | None:
    found = cx.read().get(LAYERS, address.account, address.region, address.name, str(digest))
    if found is None:
        return None
    return LayerBlob(digest=found.digest, blob=found.blob, size=found.size)


async def unpack_image(
    cx: Context, larder: Larder, image: ImageUse, config: dict[str, Any] | None
) -> ImageRoot:
    """The folder that a function runs in, and its program. Raises BadImage, ImageTooLarge."""
    configuration = parse_configuration(await cx.blobs.read(BlobId(image.config_blob)))
    blobs = {layer.digest: layer.blob for layer in image.layers}

    def read(digest: str) -> AsyncIterator[bytes]:
        return cx.blobs.stream(BlobId(blobs[digest]))

    root = await larder.prepare(configuration, [layer.digest for layer in image.layers], read)
    return _in_image(root, configuration, config or {})


def _in_image(root: str, configuration: ImageConfiguration, config: dict[str, Any]) -> ImageRoot:
    entry_point, command = config.get("EntryPoint"), config.get("Command")
    overrides = Overrides(
        entry_point=tuple(entry_point) if entry_point else None,
        command=tuple(command) if command else None,
        folder=config.get("WorkingDirectory") or None,
    )
    return image_root(root, configuration, overrides)


async def try_image(cx: Context, larder: Larder, image: ImageUse) -> None:
    """Unpack an image when it is deployed, to see that it can be. Raises InvalidParameterValueException, ServiceException."""
    try:
        await unpack_image(cx, larder, image, None)
    except BadImage as error:
        raise refuse(f"Source image {image.uri} is not valid: {error}") from error
    except ImageTooLarge as error:
        raise refuse(
            f"The source image {image.uri} exceeds the maximum allowed size of 10 GB uncompressed."
        ) from error
    except OSError as error:
        # Above all a disk without room: nothing was changed.
        raise AwsError(
            f"The image could not be unpacked: {error.strerror}.",
            code="ServiceException",
            status=500,
        ) from error
