"""A function's configuration as AWS shows it, and what it may be."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import orjson

from serein.services.lambda_.model import InvalidParameterValueException
from serein.services.lambda_.records import Answer, Function

ENVIRONMENT_BYTES_MAX = 4096
TIMEOUT_S_MAX = 900
LAYERS_MAX = 5
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


def refuse(message: str) -> InvalidParameterValueException:
    """An InvalidParameterValueException in Lambda's form."""
    return InvalidParameterValueException(message, fields={"Type": "User"})


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
    if len(text) > ENVIRONMENT_BYTES_MAX:
        raise refuse(
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. String measured: {text.decode()}"
        )


def check_timeout(timeout_s: int) -> None:
    """Raises InvalidParameterValueException beyond 15 minutes."""
    if timeout_s > TIMEOUT_S_MAX:
        raise refuse(
            f"1 validation error detected: Value '{timeout_s}' at 'timeout' failed to satisfy "
            f"constraint: Member must have value less than or equal to {TIMEOUT_S_MAX}"
        )


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
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": function.code_size,
        "Description": function.description,
        "Timeout": function.timeout_s,
        "MemorySize": function.memory_mb,
        "LastModified": iso_time(function.modified_at),
        "CodeSha256": function.code_sha256,
        "Version": function.version_text,
        "TracingConfig": {"Mode": function.tracing},
        "RevisionId": function.revision,
        "PackageType": "Zip",
        "Architectures": list(function.architectures),
        "EphemeralStorage": {"Size": function.ephemeral_mb},
        "SnapStart": {"ApplyOn": function.snap_start, "OptimizationStatus": "Off"},
        "LoggingConfig": function.logging,
    }
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
        digest = hashlib.sha256(function.runtime.encode()).hexdigest()
        shown["RuntimeVersionConfig"] = {
            "RuntimeVersionArn": f"arn:aws:lambda:{function.region}::runtime:{digest}"
        }
    return shown


def creating(shown: Answer) -> Answer:
    """What is answered to CreateFunction: the function is active once the caller asks again."""
    del shown["LastUpdateStatus"]
    shown["State"] = "Pending"
    shown["StateReason"] = "The function is being created."
    shown["StateReasonCode"] = "Creating"
    return shown


def updating(shown: Answer) -> Answer:
    """What is answered to an update."""
    shown["LastUpdateStatus"] = "InProgress"
    shown["LastUpdateStatusReason"] = "The function is being created."
    shown["LastUpdateStatusReasonCode"] = "Creating"
    return shown
