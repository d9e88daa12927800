"""The environment variables of a function's process.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

from serein.runtimes.egress import proxy_variables
from serein.runtimes.spec import Credentials, FunctionSpec, ImageRoot

_PATH = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"
_LIBRARIES = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{task}:{task}/lib:/opt/lib"


def function_variables(
    spec: FunctionSpec,
    credentials: Credentials | None,
    *,
    task_root: str,
    log_stream: str,
    endpoint: str,
    python_path: str,
    tmp: str | None,
    kind: str = "on-demand",
    proxy: bool = False,
) -> dict[str, str]:
    """AWS's variables, then the function's own (which cannot replace the reserved ones)."""
    reserved = {
        "_HANDLER": spec.handler,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_REGION": spec.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group or f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
    if spec.runtime.startswith("provided"):
        del reserved["AWS_EXECUTION_ENV"]  # there is none where the runtime is the function's own
    if spec.log_format == "JSON":
        reserved["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        reserved["AWS_LAMBDA_LOG_LEVEL"] = spec.application_level or "INFO"
    if credentials is not None:
        reserved["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
        reserved["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
        reserved["AWS_SESSION_TOKEN"] = credentials.session_token
    defaults = {
        "AWS_ENDPOINT_URL": endpoint,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": _PATH,
        "LD_LIBRARY_PATH": _LIBRARIES.format(task=task_root),
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
    }
    if spec.image is not None:
        _for_image(spec.image, defaults, reserved)
    if spec.runtime.startswith("python"):
        defaults["PYTHONPATH"] = python_path
    if spec.runtime.startswith("nodejs"):
        defaults["NODE_PATH"] = f"/opt/nodejs/node_modules:/var/runtime/node_modules:{task_root}"
        # https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html: less to load per start
        defaults["AWS_NODEJS_CONNECTION_REUSE_ENABLED"] = "1"
    if tmp is not None:
        defaults["TMPDIR"] = tmp
    if proxy:
        defaults |= proxy_variables()
    return {**defaults, **spec.environment, **reserved}


def _for_image(image: ImageRoot, defaults: dict[str, str], reserved: dict[str, str]) -> None:
    """An image has its own places for programs and libraries, and says which."""
    for name in ("PATH", "LD_LIBRARY_PATH", "LANG"):
        del defaults[name]
    defaults |= image.environment
    reserved["AWS_EXECUTION_ENV"] = "AWS_Lambda_Image"
    reserved["_HANDLER"] = image.handler
