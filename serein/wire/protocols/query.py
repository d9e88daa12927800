"""The query protocol and EC2's variant: a form in, XML out.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html, aws-ec2-query-protocol.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from serein.base.errors import AwsError
from serein.wire.facts import ErrorAnswer, OperationFacts, Target
from serein.wire.forms import Branch, tree_of
from serein.wire.http import Body, HttpRequest, HttpResponse
from serein.wire.protocols.json_rpc import fault_word
from serein.wire.shapes import Member, Shape, XmlNamespace
from serein.wire.xml_values import (
    XmlWriterCompiler,
    escape,
    namespace_text,
    text_reader,
)

BranchReader: TypeAlias = Callable[[Branch], Any]
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_CONTENT_TYPE = ("Content-Type", "text/xml")


class QueryCodec:
    """One operation in the query protocol."""

    def __init__(self, facts: OperationFacts) -> None:
        self._ec2 = "ec2" in facts.service.protocols
        shape = facts.input_shape
        self._in_queue = (
            facts.service.name == "sqs" and shape is not None and "QueueUrl" in shape.members
        )
        self._read = _BranchReaderCompiler(ec2=self._ec2).structure(shape) if shape else None
        output = facts.output_shape
        self._content = XmlWriterCompiler().content(output) if output else None
        namespace = namespace_text(facts.service.xml_namespace)
        if self._ec2:
            self._start = f"{_DECLARATION}<{facts.name}Response{namespace}>"
            self._close = f"</{facts.name}Response>"
        else:
            wrapper = (facts.output.reference.result_wrapper if facts.output else "") or (
                f"{facts.name}Result"
            )
            opening, closing = (f"<{wrapper}>", f"</{wrapper}>") if output else ("", "")
            self._start = f"{_DECLARATION}<{facts.name}Response{namespace}>{opening}"
            self._close = f"{closing}<ResponseMetadata><RequestId>"
            self._end = f"</RequestId></ResponseMetadata></{facts.name}Response>"

    def parse(self, request: HttpRequest, body: Body, target: Target) -> dict[str, Any]:
        if self._read is None:
            return {}
        params: dict[str, Any] = self._read(tree_of(target.form or []))
        if self._in_queue and "QueueUrl" not in params and request.path.count("/") > 1:
            # A call to the queue's own URL need not repeat it.
            params["QueueUrl"] = f"{request.scheme}://{request.host}{request.path}"
        return params

    def serialise(self, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        out = [self._start]
        if self._ec2:
            out.append(f"<requestId>{request_id}</requestId>")
        if self._content is not None:
            self._content(out, result)
        out.append(self._close)
        if not self._ec2:
            out.append(request_id)
            out.append(self._end)
        return HttpResponse(
            200, [("x-amzn-RequestId", request_id), _CONTENT_TYPE], "".join(out).encode()
        )


class _BranchReaderCompiler:
    """Compiles readers of dotted trees."""

    def __init__(self, *, ec2: bool) -> None:
        self._ec2 = ec2
        self._structures: dict[str, BranchReader] = {}
        self._under_way: set[str] = set()

    def reader(self, member: Member) -> BranchReader:
        kind = member.shape.kind
        if kind == "structure":
            return self.structure(member.shape)
        if kind == "list":
            return self._list(member)
        if kind == "map":
            return self._map(member)
        read_text = text_reader(member)

        def read(branch: Branch) -> Any:
            if branch.text is None:
                raise _invalid(member.name, "")
            try:
                return read_text(branch.text)
            except ValueError:
                raise _invalid(member.name, branch.text) from None

        return read

    def _name_of(self, member: Member) -> str:
        if self._ec2:
            name = member.reference.query_name
            if name:
                return name
            name = member.location_name
            return name[:1].upper() + name[1:] if name else member.name
        return member.wire_name

    def structure(self, shape: Shape) -> BranchReader:
        name = shape.name
        if name in self._structures:
            return self._structures[name]
        if name in self._under_way:
            return lambda branch: self._structures[name](branch)
        self._under_way.add(name)
        table: dict[str, tuple[str, BranchReader]] = {}
        for member in shape.members.values():
            entry = (member.name, self.reader(member))
            wire = self._name_of(member)
            if member.shape.kind == "list" and member.flattened:
                item_name = member.shape.member.location_name
                table[item_name or wire] = entry
            table.setdefault(wire, entry)
            if self._ec2:
                table.setdefault(wire[:1].upper() + wire[1:], entry)
        find = table.get

        def read(branch: Branch) -> dict[str, Any]:
            out: dict[str, Any] = {}
            for key, child in branch.children.items():
                found = find(key)
                if found is not None:
                    out[found[0]] = found[1](child)
            return out

        self._structures[name] = read
        return read

    def _list(self, member: Member) -> BranchReader:
        item = self.reader(member.shape.member)
        inner_name = member.shape.member.location_name or "member"
        flat = self._ec2 or member.flattened

        def read(branch: Branch) -> list[Any]:
            if not flat:
                branch = branch.children.get(inner_name) or branch.children.get("member") or branch
            return [item(child) for child in branch.indexed()]

        return read

    def _map(self, member: Member) -> BranchReader:
        shape = member.shape
        key_name = shape.key.location_name or "key"
        value_name = shape.value.location_name or "value"
        read_key, read_value = self.reader(shape.key), self.reader(shape.value)
        flat = member.flattened

        def read(branch: Branch) -> dict[str, Any]:
            if not flat:
                branch = branch.children.get("entry") or branch
            out: dict[str, Any] = {}
            for entry in branch.indexed():
                key, value = entry.children.get(key_name), entry.children.get(value_name)
                if key is not None:
                    out[read_key(key)] = read_value(value or Branch()) if value else ""
            return out

        return read


def _invalid(name: str, text: str) -> AwsError:
    return AwsError(
        f"Value ({text}) for parameter {name} is invalid.", code="MalformedInput", status=400
    )


def serialise_error(answer: ErrorAnswer) -> HttpResponse:
    """An error's answer in XML."""
    ec2 = answer.service is not None and "ec2" in answer.service.protocols
    error, modelled = answer.error, answer.modelled
    code = modelled.code if modelled else (error.wire_code or error.code)
    out = [_DECLARATION]
    if ec2:
        out.append("<Response><Errors><Error>")
    else:
        namespace = answer.service.xml_namespace if answer.service else None
        out.append(f"<ErrorResponse{namespace_text(namespace or _FALLBACK)}><Error>")
        out.append(f"<Type>{fault_word(error)}</Type>")
    out.append(f"<Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>")
    _write_fields(out, answer)
    if answer.service is not None and answer.service.name == "sqs":
        out.append("<Detail/>")
    if ec2:
        out.append(f"</Error></Errors><RequestID>{answer.request_id}</RequestID></Response>")
    else:
        out.append(f"</Error><RequestId>{answer.request_id}</RequestId></ErrorResponse>")
    return HttpResponse(
        error.status,
        [("x-amzn-RequestId", answer.request_id), _CONTENT_TYPE],
        "".join(out).encode(),
    )


_FALLBACK = XmlNamespace("http://webservices.amazon.com/AWSFault/2005-15-09")


def _write_fields(out: list[str], answer: ErrorAnswer) -> None:
    if answer.modelled is None or not answer.error.fields:
        return
    members = {
        name: member
        for name, member in answer.modelled.shape.members.items()
        if name not in ("message", "Message", "Code", "Type")
    }
    XmlWriterCompiler().content(answer.modelled.shape, members)(out, answer.error.fields)
