"""AWS JSON 1.0 and 1.1: a POST to "/" with X-Amz-Target.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from serein.base.errors import AwsError
from serein.wire import eventstream
from serein.wire.facts import ErrorAnswer, OperationFacts, Target, invalid_serialisation
from serein.wire.http import Body, HeaderList, HttpRequest, HttpResponse
from serein.wire.json_values import ReaderCompiler, WriterCompiler, loads


class JsonRpcCodec:
    """One operation in JSON."""

    def __init__(self, facts: OperationFacts) -> None:
        self._content_type = f"application/x-amz-json-{facts.service.json_version or '1.1'}"
        shape = facts.input_shape
        self._read = ReaderCompiler().structure(shape) if shape else None
        output = facts.output_shape
        stream = output.event_stream if output else None
        self._events = eventstream.EventWriter(stream, "rest-json") if stream else None
        self._write = None
        if output is not None:
            members = {m.name: m for m in output.members.values() if m is not stream}
            self._write = WriterCompiler().structure(output, members)
        self._stream_name = stream.name if stream else ""

    def parse(self, request: HttpRequest, body: Body, target: Target) -> dict[str, Any]:
        assert isinstance(body, bytes)
        if not body or self._read is None:
            return {}
        try:
            params: dict[str, Any] = self._read(loads(body))
        except RecursionError:
            raise invalid_serialisation() from None
        return params

    def serialise(self, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        body = b"{}" if self._write is None else orjson.dumps(self._write(result))
        if self._events is not None and (events := result.get(self._stream_name)) is not None:
            return self._events.respond(events, request_id, 200, [], initial=body)
        if self._write is None:
            body = b""
        return HttpResponse(
            200,
            [("x-amzn-RequestId", request_id), ("Content-Type", self._content_type)],
            body,
        )


def serialise_error(answer: ErrorAnswer) -> HttpResponse:
    """An error's answer: `__type` is the shape's name; x-amzn-query-error has the code of the query days."""
    error, modelled, service = answer.error, answer.modelled, answer.service
    headers: HeaderList = [("x-amzn-RequestId", answer.request_id)]
    version = answer.json_version or (service.json_version if service else "") or "1.1"
    headers.append(("Content-Type", f"application/x-amz-json-{version}"))
    if service is not None and service.query_compatible:
        code = modelled.code if modelled else (error.wire_code or error.code)
        headers.append(("x-amzn-query-error", f"{code};{fault_word(error)}"))
    return HttpResponse(error.status, headers, orjson.dumps(error_body(answer)))


def error_body(answer: ErrorAnswer) -> dict[str, Any]:
    """The JSON object of an error: its type, message and modelled members."""
    error, modelled = answer.error, answer.modelled
    body: dict[str, Any] = {"__type": type_of(answer)}
    if modelled is not None:
        fields: dict[str, Any] = dict(error.fields)
        if error.message or "message" not in {name.lower() for name in fields}:
            fields.setdefault(modelled.message_member, error.message)
        body.update(WriterCompiler().structure(modelled.shape)(fields))
        if modelled.message_member not in modelled.shape.members and error.message:
            body["message"] = error.message
    else:
        body[answer.message_member] = error.message
        body.update(error.fields)
    return body


def type_of(answer: ErrorAnswer) -> str:
    """`__type`: qualified by the service's namespace where that is known to be on the wire."""
    name = answer.modelled.name if answer.modelled else answer.error.code
    namespace = _NAMESPACES.get(answer.service.name if answer.service else "")
    if namespace is None:
        return name
    return f"{namespace if answer.modelled else _CORAL}#{name}"


def fault_word(error: AwsError) -> str:
    """Whose fault, in the words of the query protocol."""
    return "Receiver" if error.fault == "server" else "Sender"


_CORAL = "com.amazon.coral.service"
_NAMESPACES: Mapping[str, str] = {
    "dynamodb": "com.amazonaws.dynamodb.v20120810",
    "dynamodbstreams": "com.amazonaws.dynamodb.v20120810",
    "sqs": "com.amazonaws.sqs",
}
