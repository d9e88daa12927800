"""What the protocols are told of a service and its operations, and the two things they give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from serein.base.errors import AwsError
from serein.wire.http import Body, HttpRequest, HttpResponse
from serein.wire.shapes import HttpModel, Member, Shape, XmlNamespace

ProtocolName = Literal["json", "query", "ec2", "rest-json", "rest-xml", "smithy-rpc-v2-cbor"]
PROTOCOLS: tuple[ProtocolName, ...] = (
    "json",
    "query",
    "ec2",
    "rest-json",
    "rest-xml",
    "smithy-rpc-v2-cbor",
)


class Target(msgspec.Struct, kw_only=True):
    """What a request asks for: one operation of one service, in one protocol."""

    service: str
    """Botocore's service name."""
    operation: str
    protocol: ProtocolName
    path_params: Mapping[str, str] = {}
    """REST: the labels of the path, decoded."""
    form: list[tuple[str, str]] | None = None
    """query and ec2: the decoded parameters, `Action` and `Version` among them."""
    form_in_query: bool = False
    """Whether `form` came from the query string (a GET)."""
    json_version: str = ""
    """json: "1.0" or "1.1", as the caller said."""
    query_mode: bool = False
    """The caller moved from query to JSON or CBOR and wants the old error codes (x-amzn-query-mode)."""


class ServiceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A service, as far as a protocol must know it."""

    name: str
    protocols: tuple[ProtocolName, ...]
    """The ones it speaks, the preferred one first."""
    json_version: str
    target_prefix: str
    api_version: str
    xml_namespace: XmlNamespace | None
    query_compatible: bool
    signing_name: str
    endpoint_prefix: str


class ErrorWire(msgspec.Struct, frozen=True, kw_only=True):
    """A modelled error: its names, status and members."""

    name: str
    """The shape's name, which is the code in JSON and CBOR."""
    code: str
    """The code in the query and XML protocols."""
    status: int
    sender_fault: bool
    shape: Shape

    @property
    def message_member(self) -> str:
        """The member that holds the message, as the model spells it."""
        return next((m for m in self.shape.members if m.lower() == "message"), "message")

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(self.shape.members)


class OperationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An operation, as far as a protocol must know it."""

    service: ServiceFacts
    name: str
    http: HttpModel
    input: Member | None
    output: Member | None
    deprecated: bool = False

    @property
    def input_shape(self) -> Shape | None:
        return self.input.shape if self.input else None

    @property
    def output_shape(self) -> Shape | None:
        return self.output.shape if self.output else None


class Codec(Protocol):
    """One operation in one protocol."""

    def parse(self, request: HttpRequest, body: Body, target: Target) -> dict[str, Any]:
        """Params from a request whose target is known. Raises AwsError for what the protocol cannot read.

        `body` is bytes, except where the operation's input streams. Members that are absent, null or unknown to the
        model are left out; constraints are not checked (see `validate`).
        """
        ...

    def serialise(self, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        """The answer to a call that went well. Members that are None or unknown to the model are left out."""
        ...


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a protocol needs to answer an error."""

    service: ServiceFacts | None
    error: AwsError
    modelled: ErrorWire | None
    request_id: str
    message_member: str = "message"
    """How this service spells the message of errors that no model names."""
    method: str = "POST"
    resource: str = ""
    """S3: the path asked for."""
    query_mode: bool = False
    json_version: str = ""
    error_types: bool = False
    """The service's REST-JSON errors have a `Type` member ("User" or "Service"), as Lambda's do."""


def invalid_serialisation(message: str = "") -> AwsError:
    """A body that cannot be read as its protocol says."""
    return AwsError(message, code="SerializationException", status=400)
