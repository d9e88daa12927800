"""What a service model says, as compact values: the raw model (decoded straight from its JSON, documentation skipped)
and shapes resolved from it on demand.

A `Shape` is a type; a `Member` is a place where a shape is used, with the traits of that place (wire name,
location, flattened …). Botocore merges both; so do the properties of `Member`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

Kind = Literal[
    "structure",
    "list",
    "map",
    "string",
    "character",
    "integer",
    "long",
    "float",
    "double",
    "boolean",
    "blob",
    "timestamp",
]
TimestampFormat = Literal["iso8601", "rfc822", "unixtimestamp"]
Location = Literal["", "uri", "querystring", "header", "headers", "statusCode"]

_FORMATS: Mapping[str, TimestampFormat] = {
    "iso8601": "iso8601",
    "rfc822": "rfc822",
    "unixtimestamp": "unixtimestamp",
}


class XmlNamespace(msgspec.Struct, frozen=True):
    """`xmlns="uri"`, or `xmlns:prefix="uri"`."""

    uri: str = ""
    prefix: str = ""


class ReferenceModel(msgspec.Struct, rename="camel", gc=False):
    """A use of a shape, as the model's JSON has it."""

    shape: str = ""
    location: Location = ""
    location_name: str = ""
    query_name: str = ""
    result_wrapper: str = ""
    flattened: bool = False
    streaming: bool = False
    timestamp_format: str = ""
    xml_namespace: Any = None
    xml_attribute: bool = False
    eventpayload: bool = False
    eventheader: bool = False
    jsonvalue: bool = False
    idempotency_token: bool = False
    host_label: bool = False


class ErrorModel(msgspec.Struct, rename="camel", gc=False):
    """An exception's `error` trait."""

    code: str = ""
    http_status_code: int = 0
    sender_fault: bool = False
    fault: bool = False


class ShapeModel(msgspec.Struct, rename="camel"):
    """A shape, as the model's JSON has it."""

    type: Kind
    members: dict[str, ReferenceModel] = {}
    required: list[str] = []
    member: ReferenceModel | None = None
    key: ReferenceModel | None = None
    value: ReferenceModel | None = None
    min: float | None = None
    max: float | None = None
    pattern: str = ""
    enum: list[str] = []
    payload: str = ""
    location_name: str = ""
    flattened: bool = False
    streaming: bool = False
    timestamp_format: str = ""
    xml_namespace: Any = None
    exception: bool = False
    error: ErrorModel | None = None
    fault: bool = False
    sensitive: bool = False
    document: bool = False
    union: bool = False
    eventstream: bool = False
    event: bool = False


class HttpModel(msgspec.Struct, rename="camel"):
    """An operation's HTTP binding."""

    method: str = "POST"
    request_uri: str = "/"
    response_code: int = 200


class OperationModel(msgspec.Struct, rename="camel"):
    """An operation, as the model's JSON has it."""

    name: str
    http: HttpModel = msgspec.field(default_factory=HttpModel)
    input: ReferenceModel | None = None
    output: ReferenceModel | None = None
    errors: list[ReferenceModel] = []
    deprecated: bool = False


class ServiceModel(msgspec.Struct, rename="camel"):
    """A whole model without its documentation."""

    metadata: dict[str, Any]
    operations: dict[str, OperationModel] = {}
    shapes: dict[str, ShapeModel] = {}


class Shape:
    """A type of the model. `members` (structures), `member` (lists), `key` and `value` (maps) resolve on demand."""

    __slots__ = ("_inner", "_source", "kind", "model", "name", "opaque")

    def __init__(self, name: str, model: ShapeModel, source: Shapes, opaque: bool) -> None:
        self.name = name
        self.model = model
        self.kind: Kind = model.type
        self.opaque = opaque
        """Left as it is on the wire, in both directions (DynamoDB's AttributeValue, documents)."""
        self._source = source
        self._inner: dict[str, Member] | None = None

    @property
    def members(self) -> dict[str, Member]:
        """A structure's members by their API names, in the model's order."""
        if self._inner is None:
            self._inner = {
                name: Member(name, self._source.shape(reference.shape), reference)
                for name, reference in self.model.members.items()
            }
        return self._inner

    def _part(self, name: str, reference: ReferenceModel | None) -> Member:
        assert reference is not None, f"{self.name} has no {name}"
        if self._inner is None:
            self._inner = {}
        part = self._inner.get(name)
        if part is None:
            part = self._inner[name] = Member(name, self._source.shape(reference.shape), reference)
        return part

    @property
    def member(self) -> Member:
        """A list's element."""
        return self._part("member", self.model.member)

    @property
    def key(self) -> Member:
        """A map's key."""
        return self._part("key", self.model.key)

    @property
    def value(self) -> Member:
        """A map's value."""
        return self._part("value", self.model.value)

    @property
    def event_stream(self) -> Member | None:
        """The member of this structure that is an event stream, if one is."""
        if self.kind != "structure":
            return None
        return next((m for m in self.members.values() if m.shape.model.eventstream), None)

    @property
    def payload(self) -> Member | None:
        """The member that is the whole HTTP body, if one is."""
        return self.members[self.model.payload] if self.model.payload else None


class Member:
    """A use of a shape: in a structure, as a list's element, as a map's key or value, as input or output."""

    __slots__ = ("name", "reference", "shape")

    def __init__(self, name: str, shape: Shape, reference: ReferenceModel) -> None:
        self.name = name
        self.shape = shape
        self.reference = reference

    @property
    def location_name(self) -> str:
        """The modelled wire name, "" when there is none."""
        return self.reference.location_name or self.shape.model.location_name

    @property
    def wire_name(self) -> str:
        """The name on the wire: the modelled one or the API's."""
        return self.location_name or self.name

    @property
    def location(self) -> Location:
        """Where in an HTTP message it stands; "" is the body."""
        return self.reference.location

    @property
    def flattened(self) -> bool:
        return self.reference.flattened or self.shape.model.flattened

    @property
    def streaming(self) -> bool:
        return self.reference.streaming or self.shape.model.streaming

    def timestamp_format(self, default: TimestampFormat) -> TimestampFormat:
        """How a timestamp here is written."""
        said = self.reference.timestamp_format or self.shape.model.timestamp_format
        return _FORMATS[said.lower()] if said else default

    @property
    def xml_namespace(self) -> XmlNamespace | None:
        said = self.reference.xml_namespace or self.shape.model.xml_namespace
        if not said:
            return None
        if isinstance(said, str):
            return XmlNamespace(said)
        facts = cast("dict[str, str]", said)
        return XmlNamespace(facts.get("uri", ""), facts.get("prefix", ""))


class Shapes:
    """The shapes of one service by name, resolved once each."""

    def __init__(self, models: dict[str, ShapeModel], opaque: frozenset[str] = frozenset()) -> None:
        self._models = models
        self._opaque = opaque
        self._known: dict[str, Shape] = {}

    def shape(self, name: str) -> Shape:
        """The shape called `name`. Raises KeyError when the model has none."""
        known = self._known.get(name)
        if known is None:
            model = self._models[name]
            opaque = name in self._opaque or model.document
            known = self._known[name] = Shape(name, model, self, opaque)
        return known

    def exceptions(self) -> dict[str, ShapeModel]:
        """The modelled errors by shape name."""
        return {name: model for name, model in self._models.items() if model.exception}

    def member(self, reference: ReferenceModel | None, name: str) -> Member | None:
        """An operation's input or output, or None when it has none."""
        if reference is None:
            return None
        return Member(name, self.shape(reference.shape), reference)
