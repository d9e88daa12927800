"""What requests are about: ARNs of targets for authorisation, finding targets, and paging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from serein.kernel.calls import Call
from serein.kernel.operations import Need, Read
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.applicationautoscaling.model import (
    InvalidNextTokenException,
    ObjectNotFoundException,
    ResourceNotFoundException,
    ValidationException,
)
from serein.services.applicationautoscaling.records import TARGETS, Target

Request = Mapping[str, Any]
R = TypeVar("R", bound=msgspec.Struct)


def target_of(call: Call) -> str:
    """All targets: the request names them by resource, and ids are not known from it."""
    scope = call.scope
    return f"arn:aws:application-autoscaling:{scope.region}:{scope.account}:scalable-target/*"


def tagging(call: Call) -> Iterable[Need]:
    """Tags that come with a target need their own permission."""
    if call.params.get("Tags"):
        yield Need("application-autoscaling:TagResource", target_of(call))


def resource_of(call: Call) -> str:
    """The ARN that the request gives."""
    arn: str = call.params["ResourceARN"]
    return arn


def place_of(request: Request) -> str:
    """A target in the words of errors."""
    return (
        f"service namespace: {request['ServiceNamespace']}, "
        f"resource ID: {request['ResourceId']}, "
        f"scalable dimension: {request['ScalableDimension']}"
    )


def target_or_none(read: Read, request: Request) -> Target | None:
    """The target that a request names, or None."""
    return read.get(
        TARGETS,
        read.account,
        read.region,
        request["ServiceNamespace"],
        request["ResourceId"],
        request["ScalableDimension"],
    )


def find_target(read: Read, request: Request) -> Target:
    """The target that a request names. Raises ObjectNotFoundException."""
    target = target_or_none(read, request)
    if target is None:
        raise ObjectNotFoundException(f"No scalable target found for {place_of(request)}")
    return target


def find_target_by_arn(read: Read, arn: str) -> Target:
    """The target of that ARN. Raises ResourceNotFoundException."""
    for target in read.scan(TARGETS, (read.account, read.region)):
        if target.arn == arn:
            return target
    raise ResourceNotFoundException(
        f"The specified resource doesn't exist: {arn}", fields={"ResourceName": arn}
    )


def check_filter(request: Request) -> None:
    """A dimension is asked for only together with a resource. Raises ValidationException."""
    if "ScalableDimension" in request and not (
        request.get("ResourceId") or request.get("ResourceIds")
    ):
        raise ValidationException(
            "If you specify a scalable dimension, you must also specify a resource ID."
        )


def page(
    listing: str, found: Iterable[R], request: Request, size_default: int
) -> tuple[list[R], str | None]:
    """The page of a listing that a request asks for, and the next one's token. Raises InvalidNextTokenException."""
    start = 0
    if request.get("NextToken"):
        try:
            start = int(str(decode_token(listing, request["NextToken"])[0]))
        except (InvalidPageToken, ValueError):
            raise InvalidNextTokenException("Invalid next token provided.") from None
    size = max(1, min(request.get("MaxResults") or size_default, size_default))
    everything = list(found)
    token = None
    if len(everything) > start + size:
        token = encode_token(listing, str(start + size))
    return everything[start : start + size], token
