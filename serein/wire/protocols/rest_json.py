"""REST with JSON bodies. https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.wire.eventstream import EventWriter
from serein.wire.facts import ErrorAnswer, OperationFacts, Target, invalid_serialisation
from serein.wire.http import Body, HeaderList, HttpRequest, HttpResponse
from serein.wire.json_values import Reader, ReaderCompiler, WriterCompiler, loads
from serein.wire.protocols.rest import (
    InputBinding,
    OutputBinding,
    clean_header,
    header_writer,
    is_raw,
)

_JSON = ("Content-Type", "application/json")


class RestJsonCodec:
    """One operation in REST-JSON."""

    def __init__(self, facts: OperationFacts) -> None:
        self._input = InputBinding(facts, "SerializationException")
        self._read: Reader | None = self._input.body_reader(ReaderCompiler())
        self._output = OutputBinding(facts)
        self._plan_output(facts)

    def _plan_output(self, facts: OperationFacts) -> None:
        payload = self._output.payload
        self._out_name = payload.name if payload else ""
        self._out_raw = is_raw(payload)
        self._events = None
        self._write = None
        self._blob_type = "application/octet-stream"
        if payload is not None and payload.shape.kind == "string":
            self._blob_type = "text/plain"
        if facts.service.name == "lambda":
            self._blob_type = "application/json"
        if payload is not None and payload.shape.model.eventstream:
            self._events = EventWriter(payload, "rest-json")
        elif payload is not None and not self._out_raw:
            self._write = WriterCompiler().writer(payload)
        elif payload is None and facts.output_shape is not None:
            self._write = WriterCompiler().structure(facts.output_shape, self._output.body_members)

    def parse(self, request: HttpRequest, body: Body, target: Target) -> dict[str, Any]:
        params = self._input.read(request, target)
        if self._input.is_raw:
            self._input.put_raw(params, request, body)
            return params
        if self._read is None or not body:
            return params
        assert isinstance(body, bytes)
        self._check_type(request)
        try:
            value = self._read(loads(body))
        except RecursionError:
            raise invalid_serialisation() from None
        self._input.put(params, value)
        return params

    def _check_type(self, request: HttpRequest) -> None:
        """Browsers' forms are no JSON; anything else is taken as JSON, as AWS does."""
        given = request.headers.get("content-type", "")
        if given.startswith("multipart/"):
            raise AwsError("", code="UnsupportedMediaTypeException", status=415)

    def serialise(self, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        headers: HeaderList = [("x-amzn-RequestId", request_id)]
        status = self._output.write(result, headers)
        if self._events is not None:
            return self._events.respond(
                result.get(self._out_name) or [], request_id, status, headers
            )
        if status == 204 or status == 304:
            return HttpResponse(status, headers, b"")
        if self._out_raw:
            return self._answer_raw(result, status, headers)
        if self._out_name:
            value = result.get(self._out_name)
            if value is None:
                body = b""
            else:
                body = orjson.dumps(self._write(value) if self._write else value)
        else:
            body = orjson.dumps(self._write(result)) if self._write else b""
        headers.append(_JSON)
        return HttpResponse(status, headers, body)

    def _answer_raw(
        self, result: Mapping[str, Any], status: int, headers: HeaderList
    ) -> HttpResponse:
        body = result.get(self._out_name)
        if body is None:
            body = b""
        elif isinstance(body, str):
            body = body.encode()
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", self._blob_type))
        return HttpResponse(status, headers, body)


def serialise_error(answer: ErrorAnswer) -> HttpResponse:
    """An error's answer: its name in x-amzn-ErrorType, its members in the body and headers."""
    error, modelled = answer.error, answer.modelled
    name = modelled.name if modelled else error.code
    headers: HeaderList = [
        ("x-amzn-RequestId", answer.request_id),
        ("x-amzn-ErrorType", clean_header(name)),
        _JSON,
    ]
    body: dict[str, Any] = {}
    fields: dict[str, Any] = dict(error.fields)
    if answer.error_types:
        fields.setdefault("Type", "Service" if error.fault == "server" else "User")
    if modelled is None:
        body = {**fields, answer.message_member: error.message}
    else:
        members = modelled.shape.members
        if error.message or modelled.message_member in modelled.shape.model.required:
            fields.setdefault(modelled.message_member, error.message)
        in_body = {m.name: m for m in members.values() if not m.location}
        body = WriterCompiler().structure(modelled.shape, in_body)(fields)
        if modelled.message_member not in members:
            body["message"] = error.message
        for member in members.values():
            value = fields.get(member.name)
            if member.location == "header" and value is not None:
                text = header_writer(member)(value)
                headers.append((member.wire_name, clean_header(text or "")))
    return HttpResponse(error.status, headers, orjson.dumps(body))
