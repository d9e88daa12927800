"""Which function a request is about, and who may use it."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from serein.base.arn import arn_or_none, make_arn
from serein.base.errors import AwsError
from serein.kernel.calls import Call
from serein.kernel.operations import Read
from serein.services.lambda_.model import ResourceNotFoundException
from serein.services.lambda_.records import (
    ALIASES,
    FUNCTIONS,
    LATEST,
    LAYERS,
    POLICIES,
    SETTINGS,
    Alias,
    Function,
    LayerVersion,
    Settings,
)
from serein.services.lambda_.rules.configuration import refuse
from serein.services.lambda_.rules.names import (
    FunctionName,
    check_region,
    not_found,
    parse_name,
)
from serein.wire.validate import Failure, validation_error


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """What Lambda says to requests that its model forbids; to a runtime that it does not know, in words of its own.

    https://github.com/awslabs/amazon-redshift-monitoring/pull/25 shows them.
    """
    if operation in ("CreateFunction", "UpdateFunctionConfiguration") and len(failures) == 1:
        only = failures[0]
        if only.kind == "enum" and only.path == "runtime":
            return refuse(
                f"Value {only.value} at 'runtime' failed to satisfy constraint: {only.constraint}"
                " or be a valid ARN"
            )
    return validation_error(failures)


def latest_name_of(read: Read, request: dict[str, str]) -> FunctionName:
    """The function that a request is to change. Raises InvalidParameterValueException where it names a version."""
    name = name_of(read, request)
    if name.qualifier not in ("", "$LATEST"):
        # https://github.com/appleboy/lambda-action/issues/6
        raise refuse("Current operation does not support versions other than $LATEST.")
    return name


def name_of(read: Read, request: dict[str, str]) -> FunctionName:
    """The function that a request names; it may be one of another account, not of another region."""
    name = parse_name(request["FunctionName"], request.get("Qualifier"), read.account, read.region)
    check_region(name, read.region)
    return name


def function_of(call: Call) -> str:
    """The ARN of the function that a call is about, without its version."""
    return _named(call).arn


def qualified_function_of(call: Call) -> str:
    """The ARN of the function with the version or alias that a call is about."""
    return _named(call).qualified_arn


def _named(call: Call) -> FunctionName:
    params = call.params
    scope = call.scope
    return parse_name(params["FunctionName"], params.get("Qualifier"), scope.account, scope.region)


def new_function_of(call: Call) -> str:
    """The ARN of the function that a call makes."""
    return _named(call).arn


def mapping_of(call: Call) -> str:
    """The ARN of the event source mapping that a call is about."""
    scope = call.scope
    return make_arn(
        "lambda", scope.region, scope.account, f"event-source-mapping:{call.params['UUID']}"
    )


def layer_of(call: Call) -> str:
    """The ARN of the layer that a call is about (given by name or by ARN)."""
    name = call.params["LayerName"]
    if name.startswith("arn:"):
        return str(name)
    return make_arn("lambda", call.scope.region, call.scope.account, f"layer:{name}")


def layer_version_of(call: Call) -> str:
    """The ARN of the layer version that a call is about."""
    return f"{layer_of(call)}:{call.params['VersionNumber']}"


def tagged_resource_of(call: Call) -> str:
    """The resource that a tagging call names."""
    return str(call.params["Resource"])


def policy_of(read: Read, arn: str) -> str | None:
    """The resource policy of a function, version, alias or layer version, as JSON text."""
    parsed = arn_or_none(arn)
    if parsed is None:
        return None
    kind, _, rest = parsed.resource.partition(":")
    if kind == "layer":
        name, _, number = rest.partition(":")
        if not number.isdigit():
            return None
        layer = read.get(LAYERS, parsed.account, parsed.region, name, int(number))
        return policy_text(layer.statements) if layer and layer.statements else None
    name, _, qualifier = rest.partition(":")
    policy = read.get(POLICIES, parsed.account, parsed.region, name, qualifier)
    return (policy.text or policy_text(policy.statements)) if policy else None


def policy_text(statements: tuple[dict[str, object], ...]) -> str:
    """A policy document around statements."""
    document = {"Version": "2012-10-17", "Id": "default", "Statement": list(statements)}
    return orjson.dumps(document).decode()


def stored_bytes(read: Read, account: str, region: str) -> int:
    """What the code of an account's functions and layers takes, archived."""
    functions = read.scan(FUNCTIONS, (account, region))
    layers = read.scan(LAYERS, (account, region))
    return sum(f.code_size for f in functions) + sum(layer.code_size for layer in layers)


def find_function(read: Read, name: FunctionName) -> Function:
    """The version that a name means: through its alias, or $LATEST when it says none.

    Raises ResourceNotFoundException.
    """
    version: int | None
    if name.qualifier in ("", "$LATEST"):
        version = LATEST
    elif name.qualifier.isdigit():
        version = int(name.qualifier)
    else:
        alias = alias_or_none(read, name)
        version = int(alias.version.replace("$LATEST", "0")) if alias else None
    found = (
        None
        if version is None
        else read.get(FUNCTIONS, name.account, name.region, name.name, version)
    )
    if found is None:
        raise not_found(name.qualified_arn)
    return found


def find_latest(read: Read, name: FunctionName) -> Function:
    """The function's $LATEST. Raises ResourceNotFoundException."""
    found = read.get(FUNCTIONS, name.account, name.region, name.name, LATEST)
    if found is None:
        raise not_found(name.arn)
    return found


def alias_or_none(read: Read, name: FunctionName) -> Alias | None:
    """The alias that a name's qualifier is, if it is one."""
    return read.get(ALIASES, name.account, name.region, name.name, name.qualifier)


def find_layer_version(read: Read, arn: str) -> LayerVersion:
    """The layer version of that ARN. Raises ResourceNotFoundException."""
    parsed = arn_or_none(arn)
    parts = parsed.resource.split(":") if parsed else []
    found = None
    if parsed and len(parts) == 3 and parts[0] == "layer" and parts[2].isdigit():
        found = read.get(LAYERS, parsed.account, parsed.region, parts[1], int(parts[2]))
    if found is None:
        raise ResourceNotFoundException(
            f"Layer version {arn} does not exist.", fields={"Type": "User"}
        )
    return found


def settings_of(read: Read, name: FunctionName) -> Settings:
    """What holds for all versions of a function; the defaults where nothing was set."""
    found = read.get(SETTINGS, name.account, name.region, name.name)
    return found or Settings(account=name.account, region=name.region, function=name.name)
