"""AWS's service models, read from botocore's data, and all that is compiled from them.

    wire = Wire(served=["sqs", "dynamodb"])
    target = wire.identify(request)                       # which operation, in which protocol
    operation = wire.operation(target)
    params = operation.parse(request, body, target)
    failures = operation.validate(params)
    response = operation.serialise(result, request_id, target.protocol)
    response = wire.serialise_error(error, request_id, target=target, request=request)

Nothing is loaded before it is asked for; a model is decoded once, without its documentation, and an operation
compiled once per protocol. This is the only file that knows botocore.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import botocore
import msgspec

from serein.base.errors import AwsError
from serein.wire import patches
from serein.wire.facts import (
    PROTOCOLS,
    Codec,
    ErrorAnswer,
    ErrorWire,
    OperationFacts,
    ProtocolName,
    ServiceFacts,
    Target,
)
from serein.wire.http import Body, HttpRequest, HttpResponse
from serein.wire.identify import Identifier, Unidentified
from serein.wire.protocols import cbor, json_rpc, query, rest_json, rest_xml
from serein.wire.routes import Router
from serein.wire.shapes import ServiceModel, Shape, Shapes, XmlNamespace
from serein.wire.validate import Failure, compile_validator

_CODECS: Mapping[ProtocolName, Callable[[OperationFacts], Codec]] = {
    "json": json_rpc.JsonRpcCodec,
    "query": query.QueryCodec,
    "ec2": query.QueryCodec,
    "rest-json": rest_json.RestJsonCodec,
    "rest-xml": rest_xml.RestXmlCodec,
    "smithy-rpc-v2-cbor": cbor.CborCodec,
}
_ERRORS: Mapping[ProtocolName, Callable[[ErrorAnswer], HttpResponse]] = {
    "json": json_rpc.serialise_error,
    "query": query.serialise_error,
    "ec2": query.serialise_error,
    "rest-json": rest_json.serialise_error,
    "rest-xml": rest_xml.serialise_error,
    "smithy-rpc-v2-cbor": cbor.serialise_error,
}


class UnknownService(LookupError):
    """Botocore has no such service."""


class UnknownOperation(AwsError):
    """The service's model has no such operation."""

    code = "UnknownOperationException"
    status = 400


class OperationWire:
    """One operation: its model, its validator, and how it speaks in each protocol (compiled at first use)."""

    def __init__(self, service: ServiceWire, name: str) -> None:
        self.service = service
        self.name = name
        self.facts = service.operation_facts(name, service.facts.protocols[0])
        self.validate: Callable[[dict[str, Any]], list[Failure]] = compile_validator(
            self.facts.input_shape
        )
        self.input_streaming = _streaming_member(self.facts.input_shape)
        """The name of the input member that may be an iterator of bytes, or ""."""
        self.output_streaming = _streaming_member(self.facts.output_shape)
        """The name of the output member that may be an iterator (of bytes, or of events), or ""."""
        self._codecs: dict[ProtocolName, Codec] = {}

    def codec(self, protocol: ProtocolName) -> Codec:
        """How the operation speaks in `protocol`. Raises KeyError where the service does not."""
        codec = self._codecs.get(protocol)
        if codec is None:
            facts = self.service.operation_facts(self.name, protocol)
            codec = self._codecs[protocol] = _CODECS[protocol](facts)
        return codec

    def parse(self, request: HttpRequest, body: Body, target: Target) -> dict[str, Any]:
        """Params from a request. Raises AwsError (SerializationException, MalformedXML …).

        `body` must be bytes unless `input_streaming`.
        """
        return self.codec(target.protocol).parse(request, body, target)

    def serialise(
        self, result: Mapping[str, Any], request_id: str, protocol: ProtocolName | None = None
    ) -> HttpResponse:
        """The answer, in `protocol` (default: the service's preferred one)."""
        return self.codec(protocol or self.service.facts.protocols[0]).serialise(result, request_id)


def _streaming_member(shape: Shape | None) -> str:
    if shape is None:
        return ""
    for member in shape.members.values():
        if member.streaming or member.shape.model.eventstream:
            return member.name
    return ""


class ServiceWire:
    """One service: facts, operations, errors."""

    def __init__(self, name: str, model: ServiceModel) -> None:
        self.name = name
        self.facts = facts_of(name, model.metadata)
        self._model = model
        self._shapes = Shapes(model.shapes, patches.OPAQUE.get(name, frozenset()))
        self._query_shapes = self._shapes
        renamed = patches.query_shapes(name, model.shapes)
        if renamed is not model.shapes:
            self._query_shapes = Shapes(renamed)
        self._operations: dict[str, OperationWire] = {}
        self._errors: dict[str, ErrorWire] | None = None
        self._by_code: dict[str, ErrorWire] = {}
        self._router: Router | None = None
        self._message_member = ""

    @property
    def operation_names(self) -> Iterable[str]:
        """The names of all modelled operations."""
        return self._model.operations.keys()

    def has(self, operation: str) -> bool:
        """Whether the model has the operation."""
        return operation in self._model.operations

    def operation(self, name: str) -> OperationWire:
        """The operation called `name`. Raises UnknownOperation."""
        known = self._operations.get(name)
        if known is None:
            if name not in self._model.operations:
                raise UnknownOperation(f"Unknown operation {name[:128]}")
            known = self._operations[name] = OperationWire(self, name)
        return known

    def operation_facts(self, name: str, protocol: ProtocolName) -> OperationFacts:
        """What a protocol must know of an operation."""
        model = self._model.operations[name]
        shapes = self._query_shapes if protocol in ("query", "ec2") else self._shapes
        return OperationFacts(
            service=self.facts,
            name=name,
            http=model.http,
            input=shapes.member(model.input, "input"),
            output=shapes.member(model.output, "output"),
            deprecated=model.deprecated,
        )

    @property
    def router(self) -> Router:
        """The REST routes."""
        if self._router is None:
            protocol = self.facts.protocols[0]
            self._router = Router(
                (self.operation_facts(name, protocol) for name in self._model.operations),
                keep_slashes=self.name == "s3",
            )
        return self._router

    @property
    def errors(self) -> Mapping[str, ErrorWire]:
        """The modelled errors by shape name."""
        if self._errors is None:
            self._errors = {name: self._error_of(name) for name in self._shapes.exceptions()}
            for error in self._errors.values():
                self._by_code.setdefault(error.code, error)
            spelt = [error.message_member for error in self._errors.values()]
            self._message_member = max(spelt, key=spelt.count) if spelt else "message"
        return self._errors

    def error(self, code: str) -> ErrorWire | None:
        """The modelled error with this shape name or code."""
        return self.errors.get(code) or self._by_code.get(code)

    @property
    def message_member(self) -> str:
        """How most of the service's errors spell their message member."""
        return self._message_member if self.errors else "message"

    def _error_of(self, name: str) -> ErrorWire:
        shape = self._shapes.shape(name)
        said = shape.model.error
        code = (said.code if said else "") or name
        code = patches.QUERY_CODES.get(self.name, {}).get(name, code)
        status = said.http_status_code if said else 0
        if not status:
            status = patches.STATUSES.get(self.name, {}).get(name, 0)
        if not status:
            status = 500 if shape.model.fault else 400
        return ErrorWire(
            name=name, code=code, status=status, sender_fault=status < 500, shape=shape
        )


def facts_of(name: str, metadata: Mapping[str, Any]) -> ServiceFacts:
    """A service's facts from its model's metadata."""
    said: list[str] = list(metadata.get("protocols") or [metadata["protocol"]])
    compatible = "awsQueryCompatible" in metadata
    if compatible and "query" not in said:
        said.append("query")
    namespace = metadata.get("xmlNamespace") or patches.XML_NAMESPACES.get(name)
    if isinstance(namespace, str):
        namespace = XmlNamespace(namespace)
    elif namespace:
        namespace = XmlNamespace(namespace.get("uri", ""), namespace.get("prefix", ""))
    return ServiceFacts(
        name=name,
        protocols=tuple(p for p in said if p in PROTOCOLS),
        json_version=metadata.get("jsonVersion") or "1.1",
        target_prefix=metadata.get("targetPrefix") or "",
        api_version=metadata.get("apiVersion") or "",
        xml_namespace=namespace or None,
        query_compatible=compatible,
        signing_name=metadata.get("signingName") or metadata.get("endpointPrefix") or name,
        endpoint_prefix=metadata.get("endpointPrefix") or name,
    )


class Wire:
    """All services. `served` are those that Serein has: they win where several could be meant."""

    def __init__(self, served: Iterable[str] = (), *, data: Path | None = None) -> None:
        self._data = data or Path(botocore.__file__).parent / "data"
        self._services: dict[str, ServiceWire] = {}
        self._identifier = Identifier(tuple(served), self.service)

    def service(self, name: str) -> ServiceWire:
        """The service by botocore's name. Raises UnknownService."""
        known = self._services.get(name)
        if known is None:
            known = self._services[name] = ServiceWire(name, load_model(self._data, name))
        return known

    def operation(self, target: Target) -> OperationWire:
        """The operation that a target means."""
        return self.service(target.service).operation(target.operation)

    def identify(self, request: HttpRequest) -> Target:
        """What `request` asks for. Raises Unidentified (an AwsError to answer with `serialise_error`).

        A form's body must have been read before (see `needs_body`).
        """
        return self._identifier.identify(request)

    def needs_body(self, request: HttpRequest) -> bool:
        """Whether `identify` needs the body, which is not there yet: `await request.read(…)` first."""
        return self._identifier.needs_body(request)

    def serialise_error(
        self,
        error: AwsError,
        request_id: str,
        *,
        target: Target | None = None,
        request: HttpRequest | None = None,
        service: str = "",
        protocol: ProtocolName | None = None,
    ) -> HttpResponse:
        """An error's answer in the caller's protocol.

        Known from `target`, else from an `Unidentified` error, else from `service` and `protocol`.
        """
        if isinstance(error, Unidentified):
            service, protocol = error.service, error.protocol
        elif target is None and request is not None and not service:
            # Refused before it was known what was asked for (a broken signature): the protocol still is.
            try:
                target = self.identify(request)
            except Unidentified as unknown:
                service, protocol = unknown.service, unknown.protocol
            except AwsError:
                pass
        if target is not None:
            service, protocol = target.service, target.protocol
        facts = modelled = None
        message_member, error_types = "message", False
        if service:
            spoken = self.service(service)
            facts = spoken.facts
            modelled = spoken.error(error.code)
            message_member = spoken.message_member
            error_types = service == "lambda"
        if protocol is None:
            protocol = facts.protocols[0] if facts else "rest-xml"
        answer = ErrorAnswer(
            service=facts,
            error=error,
            modelled=modelled,
            request_id=request_id,
            message_member=message_member,
            method=request.method if request else "POST",
            resource=request.path if request else "",
            json_version=target.json_version if target else "",
            query_mode=target.query_mode if target else False,
            error_types=error_types,
        )
        return _ERRORS[protocol](answer)


def load_model(data: Path, name: str) -> ServiceModel:
    """A service's model, decoded without its documentation. Raises UnknownService."""
    folder = data / name
    if not name or "/" in name or not folder.is_dir():
        raise UnknownService(name)
    version = max(path.name for path in folder.iterdir() if path.is_dir())
    packed = folder / version / "service-2.json.gz"
    if packed.exists():
        raw = gzip.decompress(packed.read_bytes())
    else:
        raw = (folder / version / "service-2.json").read_bytes()
    model = msgspec.json.decode(raw, type=ServiceModel)
    if name == "s3" and "Expires" in model.shapes:
        # As botocore's own service-2.sdk-extras.json has it.
        model.shapes["Expires"].type = "timestamp"
    return model
