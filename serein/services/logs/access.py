"""What requests are about: ARNs for authorisation, and finding groups and streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serein.base.arn import arn_or_none, make_arn
from serein.base.errors import AwsError
from serein.kernel.calls import Call
from serein.kernel.operations import Read
from serein.services.logs.model import InvalidParameterException, ResourceNotFoundException
from serein.services.logs.records import GROUPS, STREAMS, LogGroup, LogStream
from serein.wire.failures import Failure
from serein.wire.validate import validation_error

_GROUP = "log-group:"


def group_arn(group: LogGroup) -> str:
    """The ARN of a group, without `:*`."""
    return make_arn("logs", group.region, group.account, f"{_GROUP}{group.name}")


def stream_arn(group: LogGroup, name: str) -> str:
    """The ARN of a stream."""
    return f"{group_arn(group)}:log-stream:{name}"


def group_name_in(identifier: str) -> str:
    """The group's name in a name or an ARN (with or without `:*`)."""
    if not identifier.startswith("arn:"):
        return identifier
    arn = arn_or_none(identifier)
    if arn is None or not arn.resource.startswith(_GROUP):
        raise InvalidParameterException(f"Invalid log group identifier: {identifier}")
    return arn.resource[len(_GROUP) :].removesuffix(":*").partition(":log-stream:")[0]


def _judged(call: Call, identifier: str, stream: str) -> str:
    scope = call.scope
    account, region = scope.account, scope.region
    arn = arn_or_none(identifier)
    if arn is not None and arn.resource.startswith(_GROUP):
        account, region = arn.account, arn.region
        identifier = group_name_in(identifier)
    return f"arn:aws:logs:{region}:{account}:{_GROUP}{identifier}:log-stream:{stream}"


def group_of(call: Call) -> str:
    """The ARN that AWS judges for a group: with an empty stream behind it, so `…:group:*` matches."""
    params = call.params
    return _judged(call, params.get("logGroupName") or params.get("logGroupIdentifier") or "", "")


def groups_of(call: Call) -> Sequence[str]:
    """The same for each group that StartLiveTail names."""
    return [_judged(call, identifier, "") for identifier in call.params["logGroupIdentifiers"]]


def stream_of(call: Call) -> str:
    """The ARN of the stream that the request names."""
    params = call.params
    group = params.get("logGroupName") or params.get("logGroupIdentifier") or ""
    return _judged(call, group, params.get("logStreamName", ""))


def resource_of(call: Call) -> str:
    """The ARN that the request gives."""
    arn: str = call.params["resourceArn"]
    return arn


def group_or_none(read: Read, name: str) -> LogGroup | None:
    """The caller's group of that name."""
    return read.get(GROUPS, read.scope.account, read.scope.region, name)


def find_group(read: Read, name: str) -> LogGroup:
    """The caller's group of that name. Raises ResourceNotFoundException."""
    group = read.get(GROUPS, read.scope.account, read.scope.region, name)
    if group is None:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return group


def find_named_group(read: Read, request: Any) -> LogGroup:
    """The group that `logGroupName` or `logGroupIdentifier` names: exactly one of them has to be there."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name and identifier:
        raise InvalidParameterException(
            "LogGroup name and LogGroup identifier are mutually exclusive parameters."
        )
    if not name and not identifier:
        raise InvalidParameterException(
            "Either LogGroup name or LogGroup identifier must be specified."
        )
    return find_group(read, name or group_name_in(identifier))


def find_stream(read: Read, group: LogGroup, name: str) -> LogStream:
    """A group's stream. Raises ResourceNotFoundException."""
    stream = read.get(STREAMS, group.id, name)
    if stream is None:
        raise ResourceNotFoundException("The specified log stream does not exist.")
    return stream


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """Constraint failures as this service words them."""
    for failure in failures:
        if failure.member in ("logGroupName", "logStreamName") and failure.kind == "max_length":
            return InvalidParameterException(
                "Invalid LogGroup or LogStream, both must have length less than or equal to 512."
            )
    return validation_error(failures, code="InvalidParameterException")
