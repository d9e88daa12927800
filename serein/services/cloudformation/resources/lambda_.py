"""AWS::Lambda::Function and Permission (versions, aliases, mappings and URLs: `lambda_more.py`).

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Lambda.html
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

from serein.base.errors import AwsError
from serein.services.cloudformation.resources.interface import (
    Deployed,
    Deploying,
    Properties,
    ResourceFailure,
    ResourceType,
    exists_already,
    tag_changes,
)

INLINE_CHARACTERS_MAX = 4_194_304
WAITS_MAX = 1200
WAIT_S = 0.05
_CONFIGURATION = (
    "Architectures",
    "Description",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "Handler",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "SnapStart",
    "Timeout",
    "VpcConfig",
)
_RENAMED = {"KmsKeyArn": "KMSKeyArn"}
_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "FileSystemConfigs": [],
    "KmsKeyArn": "",
    "Layers": [],
    "MemorySize": 128,
    "SnapStart": {"ApplyOn": "None"},
    "Timeout": 3,
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "DeadLetterConfig": {},
    "TracingConfig": {"Mode": "PassThrough"},
}
"""What a setting becomes again when its property is taken away."""


def _configuration(properties: Properties) -> dict[str, Any]:
    made = {_RENAMED.get(key, key): properties[key] for key in _CONFIGURATION if key in properties}
    for key in ("DeadLetterConfig", "TracingConfig"):
        if key in properties:
            made[key] = properties[key]
    return made


def _code(properties: Properties) -> dict[str, Any]:
    code = dict(properties["Code"])
    inline = code.get("ZipFile")
    if inline is not None:
        if len(inline) > INLINE_CHARACTERS_MAX:
            raise ResourceFailure("Inline code may not be longer than 4 MB")
        code["ZipFile"] = _zipped(inline, properties.get("Runtime", ""))
    return {
        name: value
        for name, value in code.items()
        if name
        in ("ZipFile", "S3Bucket", "S3Key", "S3ObjectVersion", "ImageUri", "SourceKMSKeyArn")
    }


def _zipped(text: str, runtime: str) -> bytes:
    """Inline code becomes `index.py` or `index.js`; the same text makes the same bytes.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
    """
    name = "index.py" if runtime.startswith("python") else "index.js"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, text)
    return packed.getvalue()


def _tags(rx: Deploying, properties: Properties) -> dict[str, str]:
    return rx.tags(properties.get("Tags"))


async def _create_function(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("FunctionName") or rx.name(64)
    try:
        await rx.call(
            "lambda",
            "CreateFunction",
            FunctionName=name,
            Code=_code(properties),
            PackageType=properties.get("PackageType"),
            CodeSigningConfigArn=properties.get("CodeSigningConfigArn"),
            Tags=_tags(rx, properties) or None,
            **_configuration(properties),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    rx.made = name
    answer = await _settled(rx, name)
    if "ReservedConcurrentExecutions" in properties:
        await _reserve(rx, name, properties)
    await _sync_loop(rx, name, properties, {})
    return _function(answer)


async def _sync_loop(rx: Deploying, name: str, properties: Properties, before: Properties) -> None:
    wanted = properties.get("RecursiveLoop", "Terminate")
    if wanted != before.get("RecursiveLoop", "Terminate"):
        await rx.call(
            "lambda", "PutFunctionRecursionConfig", FunctionName=name, RecursiveLoop=wanted
        )


async def _sync_signing(
    rx: Deploying, name: str, properties: Properties, before: Properties
) -> None:
    """Hold the function to another code signing configuration, or to none."""
    wanted = properties.get("CodeSigningConfigArn")
    if wanted == before.get("CodeSigningConfigArn"):
        return
    if wanted:
        await rx.call(
            "lambda",
            "PutFunctionCodeSigningConfig",
            FunctionName=name,
            CodeSigningConfigArn=wanted,
        )
    else:
        await rx.remove("lambda", "DeleteFunctionCodeSigningConfig", FunctionName=name)


async def _reserve(rx: Deploying, name: str, properties: Properties) -> None:
    wanted = properties.get("ReservedConcurrentExecutions")
    if wanted is None:
        await rx.remove("lambda", "DeleteFunctionConcurrency", FunctionName=name)
    else:
        await rx.call(
            "lambda",
            "PutFunctionConcurrency",
            FunctionName=name,
            ReservedConcurrentExecutions=wanted,
        )


async def _settled(rx: Deploying, name: str) -> dict[str, Any]:
    """The function's configuration once it is active and its last update is through."""
    for _ in range(WAITS_MAX):
        answer = await rx.call("lambda", "GetFunctionConfiguration", FunctionName=name)
        state, update = answer.get("State", "Active"), answer.get("LastUpdateStatus", "Successful")
        if state == "Failed" or update == "Failed":
            reason = answer.get("StateReason") or answer.get("LastUpdateStatusReason") or "unknown"
            raise ResourceFailure(f"Function {name} failed: {reason}")
        if state in ("Active", "Inactive") and update == "Successful":
            return answer
        await rx.pause(WAIT_S)
    raise ResourceFailure(f"Function {name} did not become active")


def _function(answer: dict[str, Any]) -> Deployed:
    arn = answer["FunctionArn"]
    snap = answer.get("SnapStart", {})
    return Deployed(
        physical_id=answer["FunctionName"],
        attributes={
            "Arn": arn,
            "SnapStartResponse": {
                "ApplyOn": snap.get("ApplyOn", "None"),
                "OptimizationStatus": snap.get("OptimizationStatus", "Off"),
            },
        },
    )


async def _update_function(
    rx: Deploying, physical_id: str, properties: Properties, before: Properties
) -> Deployed:
    await _sync_signing(rx, physical_id, properties, before)
    await _sync_loop(rx, physical_id, properties, before)
    code, code_before = _code(properties), _code(before)
    if code != code_before or properties.get("Architectures") != before.get("Architectures"):
        await rx.call(
            "lambda",
            "UpdateFunctionCode",
            FunctionName=physical_id,
            Architectures=properties.get("Architectures"),
            **code,
        )
        await _settled(rx, physical_id)
    after, was = _configuration(properties), _configuration(before)
    changes = {name: value for name, value in after.items() if was.get(name) != value}
    for ours, default in _DEFAULTS.items():
        name = _RENAMED.get(ours, ours)
        if name in was and name not in after:
            changes[name] = default
    changes.pop("Architectures", None)
    if changes:
        await rx.call("lambda", "UpdateFunctionConfiguration", FunctionName=physical_id, **changes)
    if properties.get("ReservedConcurrentExecutions") != before.get("ReservedConcurrentExecutions"):
        await _reserve(rx, physical_id, properties)
    answer = await _settled(rx, physical_id)
    added, removed = tag_changes(_tags(rx, properties), _tags(rx, before))
    if added:
        await rx.call("lambda", "TagResource", Resource=answer["FunctionArn"], Tags=added)
    if removed:
        await rx.call("lambda", "UntagResource", Resource=answer["FunctionArn"], TagKeys=removed)
    return _function(answer)


async def _delete_function(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call("lambda", "DeleteFunction", FunctionName=physical_id)


async def _create_permission(rx: Deploying, properties: Properties) -> Deployed:
    statement = rx.name(100)
    function = properties["FunctionName"]
    try:
        await rx.call(
            "lambda",
            "AddPermission",
            FunctionName=function,
            StatementId=statement,
            Action=properties["Action"],
            Principal=properties["Principal"],
            SourceArn=properties.get("SourceArn"),
            SourceAccount=properties.get("SourceAccount"),
            EventSourceToken=properties.get("EventSourceToken"),
            PrincipalOrgID=properties.get("PrincipalOrgID"),
            FunctionUrlAuthType=properties.get("FunctionUrlAuthType"),
            InvokedViaFunctionUrl=properties.get("InvokedViaFunctionUrl"),
        )
    except AwsError as error:
        if not (rx.is_resumed and exists_already(error)):
            raise
    return Deployed(physical_id=statement, attributes={"Id": statement})


async def _delete_permission(rx: Deploying, physical_id: str, properties: Properties) -> None:
    await rx.call(
        "lambda",
        "RemovePermission",
        FunctionName=properties["FunctionName"],
        StatementId=physical_id,
    )


async def _create_layer(rx: Deploying, properties: Properties) -> Deployed:
    name = properties.get("LayerName") or rx.name(64)
    content = {key: value for key, value in properties["Content"].items() if key.startswith("S3")}
    answer = await rx.call(
        "lambda",
        "PublishLayerVersion",
        LayerName=name,
        Content=content,
        Description=properties.get("Description"),
        CompatibleRuntimes=properties.get("CompatibleRuntimes"),
        CompatibleArchitectures=properties.get("CompatibleArchitectures"),
        LicenseInfo=properties.get("LicenseInfo"),
    )
    arn = answer["LayerVersionArn"]
    return Deployed(physical_id=arn, attributes={"LayerVersionArn": arn})


async def _delete_layer(rx: Deploying, physical_id: str, properties: Properties) -> None:
    layer, _, version = physical_id.rpartition(":")
    await rx.remove(
        "lambda",
        "DeleteLayerVersion",
        LayerName=layer.rsplit(":", 1)[-1],
        VersionNumber=int(version),
    )


TYPES = (
    ResourceType(
        name="AWS::Lambda::Function",
        create=_create_function,
        update=_update_function,
        delete=_delete_function,
        named_by="FunctionName",
    ),
    ResourceType(
        name="AWS::Lambda::Permission", create=_create_permission, delete=_delete_permission
    ),
    ResourceType(name="AWS::Lambda::LayerVersion", create=_create_layer, delete=_delete_layer),
)
