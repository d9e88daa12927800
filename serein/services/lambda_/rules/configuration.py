"""A function's configuration as AWS shows it, and what it may be."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.kernel import pages
from serein.runtimes.archives import UNZIPPED_BYTES_MAX
from serein.services.lambda_.model import InvalidParameterValueException
from serein.services.lambda_.records import Answer, Function, Request
from serein.store.tables import Key

ENVIRONMENT_BYTES_MAX = 4096
TIMEOUT_S_MAX = 900
MEMORY_MB_MAX = 10_240  # the model knows more, for functions on instances of one's own
LAYERS_MAX = 5
TAGS_MAX = 50
CODE_BYTES_MAX = 80_530_636_800  # 75 GB in a region
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-deprecated
DEPRECATED_RUNTIMES = frozenset(
    [
        "dotnetcore1.0",
        "dotnetcore2.0",
        "dotnetcore2.1",
        "dotnetcore3.1",
        "go1.x",
        "java8",
        "nodejs",
        "nodejs4.3",
        "nodejs4.3-edge",
        "nodejs6.10",
        "nodejs8.10",
        "nodejs10.x",
        "nodejs12.x",
        "nodejs14.x",
        "provided",
        "python2.7",
        "python3.6",
        "python3.7",
        "ruby2.5",
        "ruby2.7",
    ]
)

_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+\Z")


def refuse(message: str) -> InvalidParameterValueException:
    """An InvalidParameterValueException in Lambda's form."""
    return InvalidParameterValueException(message, fields={"Type": "User"})


def page_start(request: Request, listing: str) -> Key:
    """Where a listing goes on; () at its beginning. Raises InvalidParameterValueException."""
    marker = request.get("Marker")
    if not marker:
        return ()
    try:
        return tuple(part for part in pages.decode_token(listing, marker) if part is not None)
    except pages.InvalidPageToken as error:
        raise refuse("Invalid marker") from error


def check_environment(variables: Mapping[str, str] | None) -> None:
    """Raises InvalidParameterValueException for reserved names or too much of it."""
    if not variables:
        return
    reserved = [name for name in variables if name in RESERVED_VARIABLES]
    if reserved:
        raise refuse(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    text = orjson.dumps(dict(variables))
    for name in variables:
        if not _VARIABLE.match(name):
            raise refuse(
                f"Environment variable names must match the pattern [a-zA-Z]([a-zA-Z0-9_])+: {name}"
            )
    if len(text) > ENVIRONMENT_BYTES_MAX:
        raise refuse(
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. String measured: {text.decode()}"
        )


def check_runtime(runtime: str) -> None:
    """Raises InvalidParameterValueException for a runtime that no function may be given any more."""
    if runtime in DEPRECATED_RUNTIMES:
        raise refuse(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS "
            "Lambda functions. We recommend you use a supported runtime while creating or updating "
            "functions."
        )


def check_package(request: Request, *, is_image: bool) -> None:
    """Raises InvalidParameterValueException for what the other kind of package has."""
    if is_image and (request.get("Runtime") or request.get("Handler") or request.get("Layers")):
        raise refuse(
            "Please don't provide Handler or Runtime or Layer when the intended function "
            "PackageType is Image."
        )
    if is_image and request.get("SnapStart", {}).get("ApplyOn", "None") != "None":
        raise refuse("SnapStart is not supported for functions with packageType Image.")
    if not is_image and request.get("ImageConfig"):
        raise refuse(
            "Please don't provide ImageConfig when the intended function PackageType is Zip."
        )


def check_timeout(timeout_s: int) -> None:
    """Raises a ValidationException beyond 15 minutes; the model knows more, for functions on instances of one's own.

    https://github.com/covidatlas/li/pull/575 shows it.
    """
    if timeout_s > TIMEOUT_S_MAX:
        raise AwsError(
            f"1 validation error detected: Value '{timeout_s}' at 'timeout' failed to satisfy "
            f"constraint: Member must have value less than or equal to {TIMEOUT_S_MAX}",
            code="ValidationException",
        )


def check_memory(memory_mb: int) -> None:
    """Raises InvalidParameterValueException for more memory than a function may have."""
    if memory_mb > MEMORY_MB_MAX:
        raise refuse(
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or "
            f"equal to {MEMORY_MB_MAX}"
        )


def logging_of(given: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """A LoggingConfig after a change: levels belong to the JSON format only.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
    """
    merged = {**before, **given}
    if merged.get("LogFormat", "Text") == "Text":
        if "ApplicationLogLevel" in given or "SystemLogLevel" in given:
            raise refuse("Log level is not supported for the Text log format.")
        return {"LogFormat": "Text", "LogGroup": merged["LogGroup"]}
    return {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **merged}


def network_of(given: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """A VpcConfig as it is shown after a change; what the subnets belong to is made up of the first of them."""
    subnets = list(given.get("SubnetIds", (before or {}).get("SubnetIds", ())))
    groups = list(given.get("SecurityGroupIds", (before or {}).get("SecurityGroupIds", ())))
    if bool(subnets) != bool(groups):
        # https://github.com/aws/aws-sdk-js/issues/1293
        raise refuse("SubnetIds and SecurityIds must coexist or be both empty list.")
    seed = hashlib.sha256(subnets[0].encode()).hexdigest()[:17] if subnets else ""
    return {
        "SubnetIds": subnets,
        "SecurityGroupIds": groups,
        "VpcId": f"vpc-{seed}" if subnets else "",
        "Ipv6AllowedForDualStack": bool(given.get("Ipv6AllowedForDualStack", False)),
    }


def check_size(code_bytes: int, layers_bytes: int) -> None:
    """Raises InvalidParameterValueException when code and layers are too large together."""
    total = code_bytes + layers_bytes
    if layers_bytes and total > UNZIPPED_BYTES_MAX:
        raise refuse(
            "Function code combined with layers exceeds the maximum allowed size of "
            f"{UNZIPPED_BYTES_MAX} bytes. The actual size is {total} bytes."
        )


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises InvalidParameterValueException for more tags than a resource may have."""
    if any(name.startswith("aws:") for name in tags):
        raise refuse("aws: prefixed tag key names are not allowed for external use.")
    if len(tags) > TAGS_MAX:
        raise refuse("Number of tags exceeds resource tag limit.")


def iso_time(at: float) -> str:
    """Lambda's own form of a time: 2026-11-21T05:00:00.000+0000."""
    whole = int(at)
    milliseconds = int((at - whole) * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{milliseconds:03d}+0000"


def configuration_of(function: Function, *, arn: str = "", with_state: bool = True) -> Answer:
    """The FunctionConfiguration of a version; `arn` as the caller named it (default: the version's own)."""
    latest = function.version == 0
    shown: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": arn or (function.arn if latest else function.qualified_arn),
        "Role": function.role,
        "CodeSize": function.code_size,
        "Description": function.description,
        "Timeout": function.timeout_s,
        "MemorySize": function.memory_mb,
        "LastModified": iso_time(function.modified_at),
        "CodeSha256": function.code_sha256,
        "Version": function.version_text,
        "TracingConfig": {"Mode": function.tracing},
        "RevisionId": function.revision,
        "PackageType": "Zip" if function.image is None else "Image",
        "Architectures": list(function.architectures),
        "EphemeralStorage": {"Size": function.ephemeral_mb},
        "SnapStart": {
            "ApplyOn": function.snap_start,
            "OptimizationStatus": "On" if function.snap_start != "None" and not latest else "Off",
        },
        "LoggingConfig": function.logging,
    }
    if function.image is None:
        shown["Runtime"] = function.runtime
        shown["Handler"] = function.handler
    elif function.image_config:
        shown["ImageConfigResponse"] = {"ImageConfig": function.image_config}
    if function.environment is not None:
        shown["Environment"] = {"Variables": function.environment}
    if function.layers:
        shown["Layers"] = [
            {"Arn": layer.arn, "CodeSize": layer.code_size} for layer in function.layers
        ]
    if function.dead_letter_arn:
        shown["DeadLetterConfig"] = {"TargetArn": function.dead_letter_arn}
    if function.kms_key_arn:
        shown["KMSKeyArn"] = function.kms_key_arn
    if function.vpc is not None:
        shown["VpcConfig"] = function.vpc
    if function.file_systems:
        shown["FileSystemConfigs"] = list(function.file_systems)
    if with_state:
        shown["State"] = "Active"
        shown["LastUpdateStatus"] = "Successful"
    if with_state and function.image is None:
        digest = hashlib.sha256(function.runtime.encode()).hexdigest()
        shown["RuntimeVersionConfig"] = {
            "RuntimeVersionArn": f"arn:aws:lambda:{function.region}::runtime:{digest}"
        }
    return shown


def creating(shown: Answer, revision: str) -> Answer:
    """What is answered to CreateFunction: the function is active once the caller asks again.

    Becoming active is a change, so the revision that the caller sees now is not the one that stays.
    """
    del shown["LastUpdateStatus"]
    shown["RevisionId"] = revision
    shown["State"] = "Pending"
    shown["StateReason"] = "The function is being created."
    shown["StateReasonCode"] = "Creating"
    return shown


def updating(shown: Answer, revision: str) -> Answer:
    """What is answered to an update; its revision is not the one that stays."""
    shown["RevisionId"] = revision
    shown["LastUpdateStatus"] = "InProgress"
    shown["LastUpdateStatusReason"] = "The function is being created."
    shown["LastUpdateStatusReasonCode"] = "Creating"
    return shown
