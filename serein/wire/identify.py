"""HttpRequest → which operation of which service, in which protocol.

In this order: X-Amz-Target (JSON), /service/…/operation/… (CBOR), `Action=` in a form or query string (query), and else
REST: by the service that the signature names, by the host, by the path; what is left is S3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import unquote

import msgspec

from serein.base.errors import AwsError
from serein.wire.data.directory import ENTRIES
from serein.wire.facts import ProtocolName, ServiceFacts, Target
from serein.wire.forms import Pairs, parse_pairs
from serein.wire.http import HttpRequest
from serein.wire.routes import Match, Router

_FORM = "application/x-www-form-urlencoded"
_KNOWN_MAX = 4096
_RPC_PATH = re.compile(r"(?:/[^/]+)*?/service/([A-Za-z0-9_.]+)/operation/([A-Za-z0-9_]+)/?")
_S3_HOST = re.compile(
    r"(?:(?P<bucket>.+?)\.)?s3(?:-accelerate)?(?:\.dualstack)?(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?"
    r"\.(?:localhost|localhost\.localstack\.cloud|amazonaws\.com(?:\.cn)?)"
)
_BARE_HOST = re.compile(r"(?P<bucket>.+)\.(?:localhost|localhost\.localstack\.cloud)")
_SIGNING_ALIASES: Mapping[str, str] = {"s3express": "s3", "s3-outposts": "s3outposts"}
_DIGITS = "0123456789]"
_S3_CONTROL_PATH = "/v20180820/"


class Unidentified(AwsError):
    """No operation to be found; `service` ("" when not even that is known) and `protocol` say how to answer."""

    code = "UnknownOperationException"
    status = 404

    def __init__(
        self,
        message: str,
        *,
        code: str = "UnknownOperationException",
        status: int = 404,
        service: str = "",
        protocol: ProtocolName = "json",
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.service = service
        self.protocol: ProtocolName = protocol


class Spoken(Protocol):
    """What identification asks of a service's model."""

    facts: ServiceFacts

    def has(self, operation: str) -> bool: ...

    @property
    def router(self) -> Router: ...


class _Entry(msgspec.Struct, frozen=True):
    name: str
    signing_name: str
    endpoint_prefix: str
    target_prefix: str
    api_version: str
    protocols: tuple[str, ...]

    @property
    def rest(self) -> bool:
        return "rest-json" in self.protocols or "rest-xml" in self.protocols

    @property
    def form(self) -> bool:
        return "query" in self.protocols or "ec2" in self.protocols


def bucket_of_host(host: str) -> str | None:
    """The bucket in a virtual-hosted S3 host name, "" for S3's own host, None for any other host."""
    if "s3" not in host:
        return None
    found = _S3_HOST.fullmatch(host)
    return None if found is None else found["bucket"] or ""


def signing_name_of(request: HttpRequest) -> str:
    """The service named by the credential scope of a header or presigned signature, or ""."""
    header = request.headers.get("authorization")
    if header is not None:
        at = header.find("Credential=")
        if at < 0:
            return "s3" if header.startswith("AWS ") else ""
        scope = header[at + 11 :].partition(",")[0]
        return _service_of_scope(scope)
    query = request.query
    if "X-Amz-Credential=" in query:
        for part in query.split("&"):
            if part.startswith("X-Amz-Credential="):
                return _service_of_scope(unquote(part[17:]))
    if "AWSAccessKeyId=" in query and "Signature=" in query and "Expires=" in query:
        return "s3"
    return ""


def _service_of_scope(scope: str) -> str:
    parts = scope.strip().split("/")
    return parts[-2] if len(parts) >= 4 else ""


class Identifier:
    """Finds targets. `served` services win where several could be meant; models load only when needed."""

    def __init__(self, served: tuple[str, ...], service: Callable[[str], Spoken]) -> None:
        self._service = service
        self._served = {name: rank for rank, name in enumerate(served)}
        self._by_target: dict[str, list[str]] = {}
        self._by_version: dict[str, list[str]] = {}
        self._by_signing: dict[str, list[str]] = {}
        self._by_label: dict[str, list[str]] = {}
        entries = [_Entry(*entry) for entry in ENTRIES]
        # Own name first: the signing name "rds" is rds, not docdb; served ones before all others.
        entries.sort(key=lambda e: (self._rank(e.name), e.name != e.signing_name))
        self._entries = {entry.name: entry for entry in entries}
        for entry in entries:
            if entry.target_prefix:
                self._by_target.setdefault(entry.target_prefix, []).append(entry.name)
            if entry.form:
                self._by_version.setdefault(entry.api_version, []).append(entry.name)
            self._by_signing.setdefault(entry.signing_name, []).append(entry.name)
            self._by_label.setdefault(entry.endpoint_prefix, []).append(entry.name)
        self._targets: dict[str, Target] = {}
        self._buckets: dict[str, str | None] = {}
        self._rest_names = {
            name: tuple(n for n in names if self._entries[n].rest)
            for name, names in self._by_signing.items()
        }

    def _rank(self, name: str) -> int:
        return self._served.get(name, len(self._served))

    def identify(self, request: HttpRequest) -> Target:
        """See `Wire.identify`."""
        headers = request.headers
        named = headers.get("x-amz-target")
        if named is not None:
            known = self._targets.get(named)
            if known is None or "x-amzn-query-mode" in headers:
                return self._json(named, headers)
            return known
        if "smithy-protocol" in headers:
            return self._rpc(request)
        form = self._form_of(request)
        if form is not None:
            return self._query(request, *form)
        return self._rest(request)

    # JSON

    def _json(self, named: str, headers: Mapping[str, str]) -> Target:
        prefix, _, operation = named.rpartition(".")
        content_type = headers.get("content-type", "")
        version = "1.0" if content_type.startswith("application/x-amz-json-1.0") else "1.1"
        for name in self._by_target.get(prefix, ()):
            if self._service(name).has(operation):
                target = Target(
                    service=name,
                    operation=operation,
                    protocol="json",
                    json_version="",
                    query_mode=headers.get("x-amzn-query-mode") == "true",
                )
                if not target.query_mode and len(self._targets) < _KNOWN_MAX:
                    self._targets[named] = target
                return target
        service = next(iter(self._by_target.get(prefix, ())), "")
        raise Unidentified("", status=400 if version == "1.0" or service else 404, service=service)

    # RPC v2

    def _rpc(self, request: HttpRequest) -> Target:
        found = _RPC_PATH.fullmatch(request.path)
        protocol = request.headers["smithy-protocol"].strip()
        if found is None or protocol != "rpc-v2-cbor" or request.method != "POST":
            raise Unidentified("", protocol="smithy-rpc-v2-cbor")
        prefix, operation = found[1].rpartition(".")[2], found[2]
        for name in self._by_target.get(prefix, ()):
            if self._service(name).has(operation):
                return Target(
                    service=name,
                    operation=operation,
                    protocol="smithy-rpc-v2-cbor",
                    query_mode=request.headers.get("x-amzn-query-mode") == "true",
                )
        service = next(iter(self._by_target.get(prefix, ())), "")
        raise Unidentified("", service=service, protocol="smithy-rpc-v2-cbor")

    # query

    def needs_body(self, request: HttpRequest) -> bool:
        """See `Wire.needs_body`."""
        headers = request.headers
        return (
            not isinstance(request.body, bytes)
            and request.method == "POST"
            and "x-amz-target" not in headers
            and headers.get("content-type", "").startswith(_FORM)
        )

    def _form_of(self, request: HttpRequest) -> tuple[Pairs, bool] | None:
        """The form and whether it came in the query string, where there is an Action."""
        if "Action=" in request.query and self._may_be_form(request):
            pairs = parse_pairs(request.query)
            if any(name == "Action" for name, _ in pairs):
                return pairs, True
        if request.method != "POST":
            return None
        if not request.headers.get("content-type", _FORM).startswith(_FORM):
            return None
        body = request.body
        if isinstance(body, bytes) and b"Action=" in body and self._may_be_form(request):
            try:
                pairs = parse_pairs(body.decode("utf-8"))
            except UnicodeDecodeError:
                return None
            if any(name == "Action" for name, _ in pairs):
                return pairs, False
        return None

    def _may_be_form(self, request: HttpRequest) -> bool:
        """A signature for a REST service (a lambda, a bucket) means that `Action=` is its own business."""
        names = self._candidates(signing_name_of(request))
        return not names or any(self._entries[name].form for name in names)

    def _query(self, request: HttpRequest, form: Pairs, in_query: bool) -> Target:
        fields = dict(reversed(form))
        action, version = fields["Action"], fields.get("Version", "")
        names = [n for n in self._candidates(signing_name_of(request)) if self._entries[n].form]
        if not names:
            names = self._by_version.get(version, []) if version else list(self._served)
        if version:
            names = sorted(names, key=lambda n: self._entries[n].api_version != version)
        for name in names:
            if not self._entries[name].form:
                continue
            spoken = self._service(name)
            if spoken.has(action):
                return Target(
                    service=name,
                    operation=action,
                    protocol=_form_protocol(spoken.facts),
                    form=form,
                    form_in_query=in_query,
                )
        service = next((n for n in names if self._entries[n].form), "")
        raise Unidentified(
            f"Could not find operation {action[:128]} for version {version[:32] or 'NO_VERSION_SPECIFIED'}",
            code="InvalidAction",
            status=400,
            service=service,
            protocol="query",
        )

    # REST

    def _candidates(self, signing_name: str) -> list[str]:
        name = _SIGNING_ALIASES.get(signing_name, signing_name)
        return self._by_signing.get(name, [])

    def _rest(self, request: HttpRequest) -> Target:
        signed = signing_name_of(request)
        names = self._rest_names.get(_SIGNING_ALIASES.get(signed, signed), ())
        host = request.headers.get("host", "")
        bucket = self._buckets.get(host, "")
        if bucket == "":
            bucket = bucket_of_host(request.host)
            if len(self._buckets) < _KNOWN_MAX:
                self._buckets[host] = bucket
        if "s3" in names:
            if request.path.startswith(_S3_CONTROL_PATH) and (
                "x-amz-account-id" in request.headers
            ):
                return self._route(request, ["s3control"])
            return self._s3(request, bucket)
        if names:
            return self._route(request, self._served_first(names))
        if signed and signed in self._by_signing:
            # A service without REST, called without an operation.
            raise Unidentified("", status=400, service=self._candidates(signed)[0])
        if bucket is not None:
            return self._s3(request, bucket)
        by_host = self._rest_by_host(request.host)
        if by_host:
            return self._route(request, by_host)
        return self._rest_by_path(request)

    def _rest_by_host(self, host: str) -> list[str]:
        label, dot, _ = host.partition(".")
        if not dot:
            return []
        return [n for n in self._by_label.get(label, ()) if n != "s3" and self._entries[n].rest]

    def _served_first(self, names: Sequence[str]) -> Sequence[str]:
        return [n for n in names if n in self._served] or names

    def _rest_by_path(self, request: HttpRequest) -> Target:
        """Unsigned and no telling host: the served REST services whose routes begin literally, else S3."""
        best: tuple[Match, str] | None = None
        for name in self._served:
            entry = self._entries.get(name)
            if entry is None or not entry.rest or name == "s3":
                continue
            found = self._match(request, name)
            least = best[0].literal_segments if best is not None else 0
            if found is not None and found.literal_segments > least:
                best = (found, name)
        if best is not None:
            return self._target(best[1], best[0])
        return self._s3(request, None)

    def _match(self, request: HttpRequest, name: str) -> Match | None:
        return self._service(name).router.match(
            request.method, request.path, request.query, request.headers
        )

    def _route(self, request: HttpRequest, names: Sequence[str]) -> Target:
        best: tuple[Match, str] | None = None
        for name in names:
            found = self._match(request, name)
            if found is not None and (
                best is None or found.literal_segments > best[0].literal_segments
            ):
                best = (found, name)
        if best is None:
            service = names[0]
            protocol = self._service(service).facts.protocols[0]
            raise Unidentified(
                f"Unable to find operation for {request.method} {request.path[:256]}",
                service=service,
                protocol=protocol,
            )
        return self._target(best[1], best[0])

    def _target(self, name: str, match: Match) -> Target:
        return Target(
            service=name,
            operation=match.operation,
            protocol=_rest_protocol(self._service(name).facts),
            path_params=match.labels,
        )

    def _s3(self, request: HttpRequest, bucket: str | None) -> Target:
        path = f"/{bucket}{request.path}" if bucket else s3_path(request, bucket)
        router = self._service("s3").router
        found = router.match(request.method, path, request.query, request.headers)
        if found is None:
            raise _s3_refusal(request, path)
        return self._target("s3", found)


def s3_path(request: HttpRequest, bucket: str | None = None) -> str:
    """The path-style path of an S3 request, whichever way its bucket is told."""
    if bucket is None:
        host = request.host
        if "s3" in host:
            bucket = bucket_of_host(host)
        if (
            bucket is None
            and host[-1:] not in _DIGITS
            and "." in host
            and (bare := _BARE_HOST.fullmatch(host)) is not None
        ):
            bucket = bare["bucket"] if signing_name_of(request) == "s3" else None
    if not bucket:
        return request.path
    return f"/{bucket}{request.path}"


def _s3_refusal(request: HttpRequest, path: str) -> Unidentified:
    if request.method == "POST" and path.count("/") == 1:
        return Unidentified(
            "Bucket POST must be of the enclosure-type multipart/form-data",
            code="PreconditionFailed",
            status=412,
            service="s3",
            protocol="rest-xml",
        )
    return Unidentified(
        "The specified method is not allowed against this resource.",
        code="MethodNotAllowed",
        status=405,
        service="s3",
        protocol="rest-xml",
    )


def _form_protocol(facts: ServiceFacts) -> ProtocolName:
    return "ec2" if "ec2" in facts.protocols else "query"


def _rest_protocol(facts: ServiceFacts) -> ProtocolName:
    return "rest-xml" if "rest-xml" in facts.protocols else "rest-json"
