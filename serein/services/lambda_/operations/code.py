"""A function's code: created, updated, from an upload or from a bucket."""

from __future__ import annotations

import base64
from types import ModuleType

import msgspec

from serein.base.errors import AwsError
from serein.kernel.operations import Context, Read, Tx, operation, pass_role
from serein.runtimes.archives import (
    ZIPPED_BYTES_MAX,
    ArchiveTooLarge,
    BadArchive,
    code_hash,
)
from serein.services.lambda_.access import (
    find_latest,
    function_of,
    latest_name_of,
    name_of,
    new_function_of,
    settings_of,
    stored_bytes,
)
from serein.services.lambda_.functions import Functions, whole
from serein.services.lambda_.images import find_image, try_image
from serein.services.lambda_.model import (
    CodeStorageExceededException,
    CodeVerificationFailedException,
    ResourceConflictException,
)
from serein.services.lambda_.operations.code_signing import config_or_refused
from serein.services.lambda_.operations.configurations import (
    check_role,
    code_blobs,
    layers_needed,
    settings_in,
)
from serein.services.lambda_.operations.versions import publish
from serein.services.lambda_.records import (
    FUNCTIONS,
    LATEST,
    SETTINGS,
    Answer,
    Function,
    ImageUse,
    Request,
    Settings,
)
from serein.services.lambda_.roles import PRINCIPAL
from serein.services.lambda_.rules.configuration import (
    CODE_BYTES_MAX,
    check_environment,
    check_memory,
    check_package,
    check_size,
    check_tags,
    check_timeout,
    configuration_of,
    creating,
    refuse,
    updating,
)
from serein.services.lambda_.rules.conflicts import check_revision
from serein.services.lambda_.rules.names import NAME_LENGTH_MAX
from serein.store.blobs import BlobId

_BUCKET_BYTES_MAX = 262_144_000
_REQUEST_BYTES_MAX = 70_167_211


class Code(msgspec.Struct, frozen=True):
    """An archive that was accepted and kept."""

    blob: str
    sha256: str
    size: int
    unzipped: int
    image: ImageUse | None = None


def operations(functions: Functions) -> ModuleType:
    """CreateFunction and UpdateFunctionCode, over these functions."""
    module = ModuleType(__name__)

    @operation(
        "CreateFunction",
        on=new_function_of,
        needs=[pass_role("Role", PRINCIPAL), layers_needed],
        ignores=("FileSystemConfigs", "KMSKeyArn"),
    )
    async def create_function(cx: Context, request: Request) -> Answer:
        """Create a function. It is answered as Pending and active as soon as somebody looks."""
        _check_new(request)
        _check_signature(cx.read(), request.get("CodeSigningConfigArn", ""))
        await check_role(cx, request["Role"], name_of(cx.read(), request))
        if request.get("PackageType") == "Image":
            uri = request.get("Code", {}).get("ImageUri", "")
            code = await accept_image(cx, functions, uri, name_of(cx.read(), request).name)
        else:
            code = await accept_code(cx, functions, request.get("Code", {}))
        function = await cx.transact(_create, request, code)
        # What functions are forked from is made ready while the caller waits for Active.
        functions.warm(cx, request.get("Runtime", "provided"))
        functions.precompile(cx, function)
        return creating(configuration_of(function, arn=function.arn), cx.new_id())

    @operation("UpdateFunctionCode", on=function_of, ignores=("SourceKMSKeyArn",))
    async def update_function_code(cx: Context, request: Request) -> Answer:
        """Replace the code of $LATEST, and publish a version of it if asked."""
        name = latest_name_of(cx.read(), request)
        latest = find_latest(cx.read(), name)
        check_revision(request.get("RevisionId"), latest.revision)
        _check_signature(cx.read(), settings_of(cx.read(), name).code_signing_config)
        uri = request.get("ImageUri", "")
        if latest.image is not None:
            if not uri:
                raise refuse(
                    "Please provide ImageUri when updating a function with packageType Image."
                )
            code = await accept_image(cx, functions, uri, name.name)
        elif uri:
            raise refuse(
                "Please don't provide ImageUri when updating a function with packageType Zip."
            )
        else:
            code = await accept_code(cx, functions, request)
        if request.get("DryRun"):
            if code.blob:
                await cx.blobs.delete(BlobId(code.blob))
            shown = {"CodeSha256": code.sha256, "CodeSize": code.size}
            return {**configuration_of(find_latest(cx.read(), name)), **shown}
        function, unused = await cx.transact(_update_code, request, code)
        for blob in unused:
            await cx.blobs.delete(BlobId(blob))
        functions.precompile(cx, function)
        if request.get("Publish"):
            return creating(configuration_of(function), function.revision)
        return updating(configuration_of(function), cx.new_id())

    module.__dict__.update(
        create_function=create_function, update_function_code=update_function_code
    )
    return module


def _check_new(request: Request) -> None:
    name = request["FunctionName"]
    if ":" not in name and len(name) > NAME_LENGTH_MAX:
        raise refuse(
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy "
            "constraint: Member must have length less than or equal to 64"
        )
    is_image = request.get("PackageType") == "Image"
    check_package(request, is_image=is_image)
    if not is_image and not (request.get("Runtime") and request.get("Handler")):
        raise refuse(
            "Runtime and Handler are mandatory parameters for functions created with deployment"
            " packages."
        )
    check_environment(request.get("Environment", {}).get("Variables"))
    check_timeout(request.get("Timeout", 1))
    check_memory(request.get("MemorySize", 128))
    check_tags(request.get("Tags") or {})


def _check_signature(read: Read, arn: str) -> None:
    """What is deployed is never signed here: where a signature is enforced, it is refused."""
    if arn and config_or_refused(read, arn).untrusted == "Enforce":
        raise CodeVerificationFailedException(
            "Lambda cannot deploy the function. The function or layer might be signed using a "
            "signature that the client is not configured to accept. Check the provided signature "
            "for unsigned.",
            fields={"Type": "User"},
        )


def _create(tx: Tx, request: Request, code: Code) -> Function:
    name = name_of(tx, request)
    if tx.get(FUNCTIONS, name.account, name.region, name.name, LATEST) is not None:
        raise ResourceConflictException(
            f"Function already exist: {name.name}", fields={"Type": "User"}
        )
    defaults: dict[str, object] = {
        "runtime": "",
        "handler": "",
        "description": "",
        "timeout_s": 3,
        "memory_mb": 128,
        "ephemeral_mb": 512,
        "environment": None,
        "layers": (),
        "tracing": "PassThrough",
        "dead_letter_arn": "",
        "vpc": None,
        "logging": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name.name}"},
        "snap_start": "None",
        "kms_key_arn": "",
    }
    given = settings_in(tx, request, None)
    function = Function(
        account=name.account,
        region=name.region,
        name=name.name,
        version=LATEST,
        architectures=tuple(request.get("Architectures") or ("x86_64",)),
        code_blob=code.blob,
        code_sha256=code.sha256,
        code_size=code.size,
        revision=tx.new_id(),
        build=tx.new_id(),
        unzipped=code.unzipped,
        modified_at=tx.now,
        image=code.image,
        **{**defaults, **given},  # type: ignore[arg-type]
    )
    check_size(function.unzipped, sum(layer.unzipped for layer in function.layers))
    tx.put(FUNCTIONS, function)
    settings = Settings(
        account=name.account,
        region=name.region,
        function=name.name,
        code_signing_config=request.get("CodeSigningConfigArn", ""),
    )
    tx.put(SETTINGS, settings)
    if tags := request.get("Tags"):
        tx.tag(function.arn, tags)
    return publish(tx, function, "") if request.get("Publish") else function


def _update_code(tx: Tx, request: Request, code: Code) -> tuple[Function, set[str]]:
    name = name_of(tx, request)
    function = find_latest(tx, name)
    before = code_blobs(tx, name)
    check_revision(request.get("RevisionId"), function.revision)
    check_size(code.unzipped, sum(layer.unzipped for layer in function.layers))
    changed = msgspec.structs.replace(
        function,
        code_blob=code.blob,
        code_sha256=code.sha256,
        code_size=code.size,
        architectures=tuple(request.get("Architectures") or function.architectures),
        revision=tx.new_id(),
        build=tx.new_id(),
        unzipped=code.unzipped,
        modified_at=tx.now,
        image=code.image,
    )
    tx.put(FUNCTIONS, changed)
    unused = before - code_blobs(tx, name)
    return (publish(tx, changed, "") if request.get("Publish") else changed), unused


async def accept_image(cx: Context, functions: Functions, uri: str, name: str) -> Code:
    """The image of an address, unpacked to see that it can be. Raises AwsError."""
    if not uri:
        raise refuse("Please provide ImageUri when creating a function with packageType Image.")
    image = await find_image(cx, uri, name)
    with functions.under_way():
        await try_image(cx, functions.larder, image)
    return Code("", image.digest.partition(":")[2], 0, 0, image)


async def accept_code(cx: Context, functions: Functions, given: Request) -> Code:
    """The archive of a request, unpacked once to see that it can be, and kept. Raises AwsError."""
    if "ZipFile" in given:
        archive = bytes(given["ZipFile"])
        if len(archive) > ZIPPED_BYTES_MAX:
            raise AwsError(
                f"Request must be smaller than {_REQUEST_BYTES_MAX} bytes for the CreateFunction"
                " operation",
                code="RequestEntityTooLargeException",
                status=413,
            )
    elif given.get("S3Bucket") and given.get("S3Key"):
        archive = await _from_bucket(cx, given)
    else:
        raise refuse("Please provide a source for function code.")
    read = cx.read()
    if stored_bytes(read, read.account, read.region) + len(archive) > CODE_BYTES_MAX:
        raise CodeStorageExceededException("Code storage limit exceeded.", fields={"Type": "User"})
    try:
        unzipped = await functions.unpack_archive(archive)
    except BadArchive as error:
        raise refuse(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from error
    except ArchiveTooLarge as error:
        raise refuse(f"Unzipped size must be smaller than {error.limit_bytes} bytes") from error
    blob = await cx.blobs.write(archive)
    digest = base64.b64encode(code_hash(archive)).decode()
    return Code(str(blob), digest, len(archive), unzipped)


async def _from_bucket(cx: Context, given: Request) -> bytes:
    params = {"Bucket": given["S3Bucket"], "Key": given["S3Key"]}
    if version := given.get("S3ObjectVersion"):
        params["VersionId"] = version
    try:
        answer = await cx.call(cx.make_call("s3", "GetObject", params))
    except AwsError as error:
        raise refuse(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. "
            f"S3 Error Message: {error.message}"
        ) from error
    archive = await whole(answer["Body"], _BUCKET_BYTES_MAX)
    if archive is None:
        raise refuse(f"Unzipped size must be smaller than {_BUCKET_BYTES_MAX} bytes")
    return archive
