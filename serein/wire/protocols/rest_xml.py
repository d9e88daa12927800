"""REST with XML bodies, and what is special about S3.

https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from serein.base.errors import AwsError
from serein.wire.eventstream import EventWriter
from serein.wire.facts import ErrorAnswer, OperationFacts, Target
from serein.wire.http import Body, HeaderList, HttpRequest, HttpResponse
from serein.wire.protocols.json_rpc import fault_word
from serein.wire.protocols.rest import InputBinding, OutputBinding, is_raw
from serein.wire.shapes import Member, XmlNamespace
from serein.wire.xml_in import MalformedXml, parse_xml
from serein.wire.xml_values import (
    ElementWriter,
    NodeReader,
    XmlReaderCompiler,
    XmlWriterCompiler,
    escape,
    namespace_text,
    open_tag,
)

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XML = ("Content-Type", "application/xml")
S3_NAMESPACE = XmlNamespace("http://s3.amazonaws.com/doc/2006-03-01/")

# The root elements of S3's answers, which the model does not have: each operation's "Response Syntax" in
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
S3_ROOTS: Mapping[str, str] = {
    "AbortMultipartUpload": "AbortMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsOutput",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
_S3_MALFORMED = (
    "The XML you provided was not well-formed or did not validate against our published schema"
)


def host_id(request_id: str) -> str:
    """S3's extended request id: derived from the request id, so that the one leads to the other."""
    return b2a_base64(blake2b(request_id.encode(), digest_size=48).digest(), newline=False).decode()


def request_id_headers(service: str, request_id: str) -> HeaderList:
    """The headers by which a service tells its request id."""
    if service == "s3":
        return [("x-amz-request-id", request_id), ("x-amz-id-2", host_id(request_id))]
    return [("x-amzn-RequestId", request_id)]


class RestXmlCodec:
    """One operation in REST-XML."""

    def __init__(self, facts: OperationFacts) -> None:
        self._service = facts.service.name
        self._s3 = self._service == "s3"
        self._input = InputBinding(facts, "InvalidArgument" if self._s3 else "MalformedInput")
        self._read: NodeReader | None = self._input.body_reader(XmlReaderCompiler())
        self._output = OutputBinding(facts)
        self._plan_output(facts)

    def _plan_output(self, facts: OperationFacts) -> None:
        payload = self._output.payload
        self._out_name = payload.name if payload else ""
        self._out_raw = is_raw(payload)
        self._events = None
        self._element: ElementWriter | None = None
        namespace = S3_NAMESPACE if self._s3 else facts.service.xml_namespace
        if payload is not None and payload.shape.model.eventstream:
            self._events = EventWriter(payload, "rest-xml")
        elif payload is not None and not self._out_raw:
            root = _root_of_payload(payload)
            self._element = XmlWriterCompiler().structure_element(
                payload.shape, root, payload.xml_namespace or namespace
            )
        elif payload is None and facts.output_shape is not None:
            shape = facts.output_shape
            root = (facts.output.location_name if facts.output else "") or shape.name
            if self._s3:
                root = S3_ROOTS.get(facts.name, facts.name + "Result")
            if facts.name == "GetBucketLocation" and self._s3:
                self._element = _location_constraint
            elif self._output.body_members:
                given = facts.output.xml_namespace if facts.output else None
                self._element = XmlWriterCompiler().structure_element(
                    shape, root, given or namespace, self._output.body_members
                )

    def parse(self, request: HttpRequest, body: Body, target: Target) -> dict[str, Any]:
        params = self._input.read(request, target)
        if self._input.is_raw:
            self._input.put_raw(params, request, body)
            return params
        if self._read is None or not body:
            return params
        assert isinstance(body, bytes)
        try:
            value = self._read(parse_xml(body))
        except (MalformedXml, ValueError, RecursionError):
            raise self._malformed() from None
        self._input.put(params, value)
        return params

    def _malformed(self) -> AwsError:
        if self._s3:
            return AwsError(_S3_MALFORMED, code="MalformedXML", status=400)
        return AwsError("The request body is not valid XML.", code="MalformedXML", status=400)

    def serialise(self, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        headers = request_id_headers(self._service, request_id)
        status = self._output.write(result, headers)
        if status == 200 and self._service == "s3" and result.get("ContentRange"):
            status = 206  # the model knows one status only; a part of an object is Partial Content
        if self._events is not None:
            return self._events.respond(
                result.get(self._out_name) or [], request_id, status, headers
            )
        if self._out_raw:
            return self._answer_raw(result, status, headers)
        value = result.get(self._out_name) if self._out_name else result
        if self._element is None or value is None or status in (204, 304):
            return HttpResponse(status, headers, b"")
        out = [_DECLARATION]
        self._element(out, value)
        headers.append(_XML)
        return HttpResponse(status, headers, "".join(out).encode())

    def _answer_raw(
        self, result: Mapping[str, Any], status: int, headers: HeaderList
    ) -> HttpResponse:
        body = result.get(self._out_name)
        if body is None:
            body = b""
        elif isinstance(body, str):
            body = body.encode()
        if body != b"" and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/octet-stream"))
        return HttpResponse(status, headers, body)


def _root_of_payload(payload: Member) -> str:
    return payload.location_name or payload.shape.model.location_name or payload.name


def _location_constraint(out: list[str], value: Mapping[str, Any]) -> None:
    """GetBucketLocation: the root element is the value itself, empty for us-east-1."""
    start = open_tag("LocationConstraint", S3_NAMESPACE)
    out.append(f"{start}{escape(value.get('LocationConstraint') or '')}</LocationConstraint>")


def serialise_error(answer: ErrorAnswer) -> HttpResponse:
    """An error's answer: S3 has `<Error>` alone with Resource and HostId; others wrap it as query does."""
    if answer.service is None or answer.service.name == "s3":
        return _s3_error(answer)
    error, modelled = answer.error, answer.modelled
    code = modelled.code if modelled else (error.wire_code or error.code)
    namespace = namespace_text(answer.service.xml_namespace)
    out = [
        f"{_DECLARATION}<ErrorResponse{namespace}><Error><Type>{fault_word(error)}</Type>"
        f"<Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>"
    ]
    headers: HeaderList = [("x-amzn-RequestId", answer.request_id), _XML]
    if modelled is not None and error.fields:
        members = {
            name: member
            for name, member in modelled.shape.members.items()
            if name not in ("message", "Message", "Code", "Type") and not member.location
        }
        XmlWriterCompiler().content(modelled.shape, members)(out, error.fields)
    out.append(f"</Error><RequestId>{answer.request_id}</RequestId></ErrorResponse>")
    return HttpResponse(error.status, headers, "".join(out).encode())


def _s3_error(answer: ErrorAnswer) -> HttpResponse:
    error = answer.error
    headers = request_id_headers("s3", answer.request_id)
    headers.extend(error.headers.items())
    if answer.method == "HEAD" or error.status in (304,):
        headers.append(_XML)
        return HttpResponse(error.status, headers, b"")
    code = answer.modelled.code if answer.modelled else (error.wire_code or error.code)
    out = [f"{_DECLARATION}<Error><Code>{escape(code)}</Code>"]
    out.append(f"<Message>{escape(error.message)}</Message>")
    for name, value in error.fields.items():
        if value is not None:
            out.append(f"<{name}>{escape(str(value))}</{name}>")
    if answer.resource and "Resource" not in error.fields:
        out.append(f"<Resource>{escape(answer.resource)}</Resource>")
    out.append(f"<RequestId>{answer.request_id}</RequestId>")
    out.append(f"<HostId>{host_id(answer.request_id)}</HostId></Error>")
    headers.append(_XML)
    return HttpResponse(error.status, headers, "".join(out).encode())
