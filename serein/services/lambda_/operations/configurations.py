"""Functions: what can be seen and changed of them without touching their code."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from serein.base.errors import AwsError
from serein.kernel import pages
from serein.kernel.calls import Call
from serein.kernel.operations import Context, Need, Read, Tx, operation, pass_role
from serein.services.lambda_.access import (
    find_function,
    find_latest,
    find_layer_version,
    function_of,
    latest_name_of,
    name_of,
    qualified_function_of,
)
from serein.services.lambda_.model import (
    InvalidParameterValueException,
    ResourceConflictException,
)
from serein.services.lambda_.records import (
    ALIASES,
    EVENT_CONFIGS,
    FUNCTIONS,
    LATEST,
    POLICIES,
    PROVISIONED,
    PROVISIONED_DOORBELL,
    SETTINGS,
    URLS,
    URLS_BY_ID,
    Answer,
    Function,
    LayerUse,
    Request,
)
from serein.services.lambda_.roles import PRINCIPAL, assume_role
from serein.services.lambda_.rules.configuration import (
    LAYERS_MAX,
    check_environment,
    check_memory,
    check_package,
    check_runtime,
    check_size,
    check_timeout,
    configuration_of,
    logging_of,
    network_of,
    page_start,
    refuse,
    updating,
)
from serein.services.lambda_.rules.conflicts import check_revision
from serein.services.lambda_.rules.names import FunctionName
from serein.store.blobs import BlobId

_PAGE_SIZE = 50


def layers_needed(call: Call) -> Iterator[Need]:
    """Whoever uses a layer must be allowed to get it."""
    for arn in call.params.get("Layers") or ():
        yield Need("lambda:GetLayerVersion", arn)


@operation("GetFunction", on=qualified_function_of)
def get_function(read: Read, request: Request) -> Answer:
    """A function's configuration, where its code can be fetched, its tags and its concurrency."""
    name = name_of(read, request)
    function = find_function(read, name)
    shown: Answer = {
        "Configuration": configuration_of(function, arn=name.qualified_arn),
        "Code": _code_of(read, function),
    }
    if tags := read.tags_of(function.arn):
        shown["Tags"] = tags
    settings = read.get(SETTINGS, name.account, name.region, name.name)
    if settings is not None and settings.reserved_concurrency is not None:
        shown["Concurrency"] = {"ReservedConcurrentExecutions": settings.reserved_concurrency}
    return shown


def _code_of(read: Read, function: Function) -> Answer:
    """Where a version's code is."""
    if function.image is not None:
        return {
            "RepositoryType": "ECR",
            "ImageUri": function.image.uri,
            "ResolvedImageUri": function.image.resolved_uri,
        }
    host = read.scope.host or "127.0.0.1:4566"
    scheme = "https" if read.scope.secure else "http"
    return {
        "RepositoryType": "S3",
        "Location": f"{scheme}://{host}/_serein/lambda/code/{function.code_blob}",
    }


@operation("GetFunctionConfiguration", on=qualified_function_of)
def get_function_configuration(read: Read, request: Request) -> Answer:
    """A function's configuration."""
    name = name_of(read, request)
    return configuration_of(find_function(read, name), arn=name.qualified_arn)


@operation("ListFunctions", ignores=("MasterRegion",))
def list_functions(read: Read, request: Request) -> Answer:
    """The account's functions in the region; with `FunctionVersion=ALL` every version of them."""
    every = request.get("FunctionVersion") == "ALL"
    after = page_start(request, "ListFunctions")

    def functions() -> Iterator[Function]:
        for function in read.scan(
            FUNCTIONS, (read.account, read.region), start=after, start_after=bool(after)
        ):
            if every or function.version == LATEST:
                yield function

    page, token = pages.take_page(
        functions(),
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda f: pages.encode_token("ListFunctions", f.name, f.version),
    )
    shown = [
        configuration_of(f, arn=f.qualified_arn if every else "", with_state=False) for f in page
    ]
    return {"Functions": shown, "NextMarker": token}


@operation("ListVersionsByFunction", on=function_of)
def list_versions_by_function(read: Read, request: Request) -> Answer:
    """$LATEST and the published versions of a function."""
    name = name_of(read, request)
    find_latest(read, name)
    after = page_start(request, "ListVersionsByFunction")
    scanned = read.scan(
        FUNCTIONS,
        (name.account, name.region, name.name),
        start=after,
        start_after=bool(after),
    )
    page, token = pages.take_page(
        scanned,
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda f: pages.encode_token("ListVersionsByFunction", f.version),
    )
    shown = [configuration_of(f, arn=f.qualified_arn, with_state=False) for f in page]
    return {"Versions": shown, "NextMarker": token}


@operation(
    "UpdateFunctionConfiguration",
    on=function_of,
    needs=[pass_role("Role", PRINCIPAL), layers_needed],
    ignores=("KMSKeyArn", "FileSystemConfigs"),
)
async def update_function_configuration(cx: Context, request: Request) -> Answer:
    """Change the configuration of $LATEST."""
    check_environment(request.get("Environment", {}).get("Variables"))
    check_timeout(request.get("Timeout", 1))
    check_memory(request.get("MemorySize", 128))
    if "Role" in request:
        await check_role(cx, request["Role"], name_of(cx.read(), request))
    function = await cx.transact(_update, request)
    return updating(configuration_of(function), cx.new_id())


def _update(tx: Tx, request: Request) -> Function:
    name = latest_name_of(tx, request)
    function = find_latest(tx, name)
    check_revision(request.get("RevisionId"), function.revision)
    check_package(request, is_image=function.image is not None)
    changed = msgspec.structs.replace(
        function,
        **settings_in(tx, request, function),
        revision=tx.new_id(),
        build=tx.new_id(),
        modified_at=tx.now,
    )
    check_size(changed.unzipped, sum(layer.unzipped for layer in changed.layers))
    tx.put(FUNCTIONS, changed)
    return changed


@operation("DeleteFunction", on=qualified_function_of)
async def delete_function(cx: Context, request: Request) -> Answer:
    """Delete a function with everything of it, or one version of it."""
    for blob in await cx.transact(_delete, request):
        await cx.blobs.delete(BlobId(blob))
    return {"StatusCode": 204}


def _delete(tx: Tx, request: Request) -> set[str]:
    """The archives that no version needs any more."""
    name = name_of(tx, request)
    if name.qualifier == "$LATEST":
        raise refuse("$LATEST version cannot be deleted without deleting the function.")
    key = (name.account, name.region, name.name)
    before = code_blobs(tx, name)
    if name.qualifier:
        _delete_version(tx, name)
        return before - code_blobs(tx, name)
    find_latest(tx, name)
    for url in list(tx.scan(URLS, key)):
        tx.delete(URLS_BY_ID, url.id)
    for table in (FUNCTIONS, ALIASES, POLICIES, SETTINGS, EVENT_CONFIGS, URLS, PROVISIONED):
        tx.delete_range(table, key)
    tx.untag(name.arn)
    tx.ring(PROVISIONED_DOORBELL)
    return before


def code_blobs(read: Read, name: FunctionName) -> set[str]:
    """The archives of a function's versions."""
    versions = read.scan(FUNCTIONS, (name.account, name.region, name.name))
    return {function.code_blob for function in versions if function.code_blob}


def _delete_version(tx: Tx, name: FunctionName) -> None:
    key = (name.account, name.region, name.name)
    if not name.qualifier.isdigit():
        raise refuse("Deletion of aliases is not currently supported.")
    for alias in tx.scan(ALIASES, key):
        if name.qualifier in (alias.version, *alias.weights):
            raise ResourceConflictException(
                f"Alias(es) [{alias.name}] currently refer to {name.qualified_arn}."
                " Please delete them first.",
                fields={"Type": "User"},
            )
    # One that is not there is as good as deleted, if the function is.
    find_latest(tx, name)
    for table in (POLICIES, EVENT_CONFIGS, PROVISIONED):
        tx.delete(table, *key, name.qualifier)
    tx.delete(FUNCTIONS, *key, int(name.qualifier))
    tx.ring(PROVISIONED_DOORBELL)


# What other operations on functions use, too.


def settings_in(read: Read, request: Request, before: Function | None) -> dict[str, object]:
    """The members of a Function that a create or update request sets. Raises InvalidParameterValueException."""
    check_runtime(request.get("Runtime", ""))
    found: dict[str, object] = {}
    for member, field in (
        ("Role", "role"),
        ("Handler", "handler"),
        ("Description", "description"),
        ("Timeout", "timeout_s"),
        ("MemorySize", "memory_mb"),
        ("Runtime", "runtime"),
        ("KMSKeyArn", "kms_key_arn"),
    ):
        if member in request:
            found[field] = request[member]
    if "Environment" in request:
        found["environment"] = dict(request["Environment"].get("Variables", {}))
    if "ImageConfig" in request:
        found["image_config"] = {
            name: value for name, value in request["ImageConfig"].items() if value
        } or None
    if "EphemeralStorage" in request:
        found["ephemeral_mb"] = request["EphemeralStorage"]["Size"]
    if "TracingConfig" in request:
        found["tracing"] = request["TracingConfig"].get("Mode", "PassThrough")
    if "DeadLetterConfig" in request:
        found["dead_letter_arn"] = request["DeadLetterConfig"].get("TargetArn", "")
    if "SnapStart" in request:
        found["snap_start"] = request["SnapStart"].get("ApplyOn", "None")
    if "FileSystemConfigs" in request:
        found["file_systems"] = tuple(request["FileSystemConfigs"])
    if "Layers" in request:
        found["layers"] = _layers(read, request["Layers"])
    if "LoggingConfig" in request:
        name = request["FunctionName"].rpartition(":")[2]
        known = before.logging if before is not None else {"LogGroup": f"/aws/lambda/{name}"}
        found["logging"] = logging_of(request["LoggingConfig"], known)
    if "VpcConfig" in request:
        found["vpc"] = network_of(request["VpcConfig"], before.vpc if before else None)
    return found


def _layers(read: Read, arns: list[str]) -> tuple[LayerUse, ...]:
    if len(arns) > LAYERS_MAX:
        raise refuse(f"Cannot reference more than {LAYERS_MAX} layers.")
    seen: dict[str, str] = {}
    used: list[LayerUse] = []
    for arn in arns:
        base = arn.rpartition(":")[0]
        if base in seen:
            raise refuse(
                "Two different versions of the same layer are not allowed to be referenced in the "
                f"same function. {seen[base]} and {arn} are versions of the same layer."
            )
        seen[base] = arn
        if arn.split(":")[3] != read.region:
            raise refuse(
                "Layers are not in the same region as the function. Layers are expected to be in "
                f"region {read.region}."
            )
        try:
            layer = find_layer_version(read, arn)
        except AwsError as error:
            raise InvalidParameterValueException(error.message, fields={"Type": "User"}) from error
        use = LayerUse(
            arn=arn,
            code_size=layer.code_size,
            code_sha256=layer.code_sha256,
            blob=layer.code_blob,
            unzipped=layer.unzipped,
        )
        used.append(use)
    return tuple(used)


async def check_role(cx: Context, role: str, name: FunctionName) -> None:
    """Raises InvalidParameterValueException unless Lambda may act as `role` for this function."""
    try:
        await assume_role(cx, role, "serein-check", name.account, name.region, function=name.name)
    except AwsError as error:
        if error.status >= 500:
            raise
        raise refuse("The role defined for the function cannot be assumed by Lambda.") from error
