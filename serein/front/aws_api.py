"""The AWS API over HTTP: a request's bytes become a Call, its answer bytes again.

    identify → read credentials → check the signature → parse → dispatch → serialise

A Read operation is answered within this call; a Tx operation's answer is a future (no task is made for it); a streamed
body or a Context operation runs as a task of the front.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from serein.base.errors import AwsError
from serein.base.ids import new_uuid
from serein.front.credentials import Caller, Credentials
from serein.front.streams import DecodedBody, declared_sha256
from serein.kernel.authorise import MissingAuthentication
from serein.kernel.calls import ANONYMOUS, Call, Principal, Scope, Signed
from serein.kernel.dispatch import Dispatch, as_aws_error
from serein.kernel.operations import Context
from serein.kernel.services import Service
from serein.store.errors import StoreUnavailable
from serein.wire.facts import Target
from serein.wire.http import Body, BodyInterrupted, BodyTooLarge, HttpRequest, HttpResponse
from serein.wire.models import OperationWire, Wire
from serein.wire.sigv4.chunks import decode_whole
from serein.wire.sigv4.credentials import Presented
from serein.wire.sigv4.errors import Family, aws_error
from serein.wire.sigv4.problems import SignatureProblem
from serein.wire.sigv4.verify import checked_body

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 16 * 1024 * 1024
BODY_BYTES_MAX_OF: Mapping[str, int] = {
    # A 50 MB archive in base64, and what stands around it.
    "lambda": 72 * 1024 * 1024,
}
_FAMILIES: Mapping[str, Family] = {
    "json": "json",
    "smithy-rpc-v2-cbor": "json",
    "query": "query",
    "ec2": "ec2",
    "rest-json": "rest-json",
    "rest-xml": "rest-xml",
}


def _signed(presented: Presented | None) -> Signed | None:
    """What S3's policies can ask about a signature."""
    if presented is None:
        return None
    version = "AWS4-ECDSA-P256-SHA256" if presented.kind.startswith("v4a") else "AWS4-HMAC-SHA256"
    return Signed(
        how="REST-QUERY-STRING" if presented.in_query else "REST-HEADER",
        version="AWS" if presented.kind.startswith("v2") else version,
        at=presented.timestamp,
        payload=presented.payload_sha256,
    )


class AwsApi:
    """The face that SDKs, the CLI and Terraform see."""

    def __init__(
        self,
        *,
        dispatch: Dispatch,
        wire: Wire,
        credentials: Credentials,
        account: str,
        region: str,
    ) -> None:
        self._dispatch = dispatch
        self._wire = wire
        self._credentials = credentials
        self._account = account
        self._region = region
        self._signing_names: dict[str, str] = {}
        self._raw = [s for s in dispatch.registry.services.values() if s.raw is not None]
        self._decorated = {
            name: service.decorate
            for name, service in dispatch.registry.services.items()
            if service.decorate is not None
        }

    def handle(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """The answer to an API request; errors included, in the caller's protocol."""
        request_id = new_uuid(self._dispatch.randomness)
        for service in self._raw:
            if service.raw is not None and service.raw.wants(request):
                return self._answer_raw(service, request, request_id)
        if not isinstance(request.body, bytes):
            return self._handle_streamed(request, request_id)
        target: Target | None = None
        try:
            presented = self._credentials.read(request)
            target = self._wire.identify(request)
            operation = self._wire.operation(target)
            caller = self._credentials.check(request, presented)
            body = self._decoded(request, request.body, caller)
            answer = self._dispatch.begin(
                self._call(request, request_id, operation, target, caller, body)
            )
            if isinstance(answer, dict):
                return self._serialised(operation, target, request, answer, request_id)
        except Exception as error:
            return self._refused(error, request_id, target, request)
        if isinstance(answer, asyncio.Future):
            return self._when_durable(answer, operation, target, request, request_id)
        return self._when_done(answer, operation, target, request, request_id)

    def unavailable(self, request: HttpRequest) -> HttpResponse:
        """The service's own words for that nothing can be stored at the moment."""
        target: Target | None = None
        with contextlib.suppress(Exception):
            target = self._wire.identify(request)
        error = StoreUnavailable("the house is being restored")
        return self._refused(error, new_uuid(self._dispatch.randomness), target, request)

    def authenticate(self, request: HttpRequest, service: str) -> tuple[Principal, str]:
        """Who signed a request to a site, and the region signed for. Raises AwsError."""
        try:
            presented = self._credentials.read(request)
            if presented is not None and presented.service != service:
                told = {"service": presented.service, "expected": service}
                raise SignatureProblem("wrong_service", told)
            caller = self._credentials.check(request, presented)
        except SignatureProblem as problem:
            raise aws_error(problem, "rest-json") from problem
        return caller.principal, caller.region

    def _call(
        self,
        request: HttpRequest,
        request_id: str,
        operation: OperationWire,
        target: Target,
        caller: Caller,
        body: Body,
    ) -> Call:
        if caller.credential is not None and caller.presented is not None:
            self._check_service(caller.presented, target)
        params = operation.parse(request, body, target)
        headers = request.headers
        scope = Scope(
            account=caller.principal.account or self._account,
            region=caller.region or self._region,
            request_id=request_id,
            source_ip=request.peer,
            secure=request.scheme == "https",
            user_agent=headers.get("user-agent", ""),
            referer=headers.get("referer", ""),
            host=headers.get("host", ""),
            trace=headers.get("x-amzn-trace-id", ""),
            signed=_signed(caller.presented) if target.service == "s3" else None,
        )
        return Call(target.service, target.operation, params, caller.principal, scope)

    def _check_service(self, presented: Presented, target: Target) -> None:
        """A signature for one service is none for another. Raises SignatureProblem."""
        expected = self._signing_names.get(target.service)
        if expected is None:
            facts = self._wire.service(target.service).facts
            expected = self._signing_names[target.service] = facts.signing_name
        if presented.service != expected and presented.service:
            raise SignatureProblem(
                "wrong_service", {"service": presented.service, "expected": expected}
            )

    def _decoded(self, request: HttpRequest, body: bytes, caller: Caller) -> bytes:
        """The body without aws-chunked framing; its trailers count as headers then."""
        decoder = self._credentials.decoder(request, caller)
        if decoder is None:
            return body
        decoded = decode_whole(body, decoder)
        request.headers.update(decoder.trailers)
        return decoded

    async def _handle_streamed(self, request: HttpRequest, request_id: str) -> HttpResponse:
        """A body that is still coming: handed on to operations that stream, read whole for others."""
        target: Target | None = None
        try:
            presented = self._credentials.read(request)
            if self._wire.needs_body(request):
                await request.read(BODY_BYTES_MAX)
            target = self._wire.identify(request)
            operation = self._wire.operation(target)
            if not operation.input_streaming:
                await request.read(BODY_BYTES_MAX_OF.get(target.service, BODY_BYTES_MAX))
            caller = self._credentials.check(request, presented)
            call = self._call(
                request, request_id, operation, target, caller, self._streamed(request, caller)
            )
            answer = self._dispatch.begin(call)
            result = answer if isinstance(answer, dict) else await answer
            return self._serialised(operation, target, request, result, request_id)
        except Exception as error:
            return self._refused(error, request_id, target, request)

    def _streamed(self, request: HttpRequest, caller: Caller) -> Body:
        """The body for a streaming operation: unframed, and checked against what was signed as it passes."""
        body = request.body
        if isinstance(body, bytes):
            return self._decoded(request, body, caller)
        decoder = self._credentials.decoder(request, caller)
        if decoder is not None:
            return DecodedBody(body, decoder)
        declared = declared_sha256(caller.presented)
        return checked_body(body, declared) if declared else body

    async def _when_done(
        self,
        answer: Awaitable[dict[str, Any]],
        operation: OperationWire,
        target: Target,
        request: HttpRequest,
        request_id: str,
    ) -> HttpResponse:
        try:
            return self._serialised(operation, target, request, await answer, request_id)
        except Exception as error:
            return self._refused(error, request_id, target, request)

    def _when_durable(
        self,
        answer: asyncio.Future[dict[str, Any]],
        operation: OperationWire,
        target: Target,
        request: HttpRequest,
        request_id: str,
    ) -> asyncio.Future[HttpResponse]:
        """The response as a future that follows the transaction's."""
        response: asyncio.Future[HttpResponse] = answer.get_loop().create_future()

        def follow(done: asyncio.Future[dict[str, Any]]) -> None:
            if response.done():
                return
            if done.cancelled():
                response.cancel()
                return
            error = done.exception()
            try:
                if error is not None:
                    raise error
                made = self._serialised(operation, target, request, done.result(), request_id)
            except Exception as failure:
                made = self._refused(failure, request_id, target, request)
            response.set_result(made)

        answer.add_done_callback(follow)
        return response

    def _serialised(
        self,
        operation: OperationWire,
        target: Target,
        request: HttpRequest,
        result: dict[str, Any],
        request_id: str,
    ) -> HttpResponse:
        response = operation.serialise(result, request_id, target.protocol)
        if self._decorated and "origin" in request.headers:
            self._decorate(target, request, response)
        return response

    def _decorate(
        self, target: Target | None, request: HttpRequest, response: HttpResponse
    ) -> None:
        decorate = self._decorated.get(target.service) if target is not None else None
        if decorate is not None:
            decorate(self._context(request, "").read(), request, response)

    def _refused(
        self,
        error: BaseException,
        request_id: str,
        target: Target | None,
        request: HttpRequest,
    ) -> HttpResponse:
        """Any failure as the answer of the caller's protocol; what is no AwsError is logged and not shown."""
        if isinstance(error, BodyInterrupted):
            raise error  # the connection knows what to say to a client that broke off
        if isinstance(error, MissingAuthentication):
            error = SignatureProblem("missing_authentication")
        if isinstance(error, SignatureProblem):
            shown = aws_error(error, self._family(target, request))
        elif isinstance(error, BodyTooLarge):
            shown = AwsError(
                "Request size exceeded the limit.", code="RequestEntityTooLarge", status=413
            )
        else:
            shown = as_aws_error(error, self._wire.service(target.service) if target else None)
            if isinstance(error, StoreUnavailable):
                log.warning("request %s refused: %s", request_id, error)
            elif not isinstance(error, AwsError) and shown.status == 500:
                log.error("request %s failed", request_id, exc_info=error)
        response = self._wire.serialise_error(shown, request_id, target=target, request=request)
        if self._decorated and "origin" in request.headers:
            self._decorate(target, request, response)
        return response

    def _family(self, target: Target | None, request: HttpRequest) -> Family:
        if target is None:
            try:
                target = self._wire.identify(request)
            except AwsError:
                return "rest-json"
        return "s3" if target.service == "s3" else _FAMILIES[target.protocol]

    async def _answer_raw(
        self, service: Service, request: HttpRequest, request_id: str
    ) -> HttpResponse:
        assert service.raw is not None
        cx = self._context(request, request_id)
        try:
            return await service.raw.answer(cx, request)
        except Exception as error:
            shown = as_aws_error(error, self._wire.service(service.name))
            if not isinstance(error, AwsError):
                log.error("request %s failed", request_id, exc_info=error)
            return self._wire.serialise_error(
                shown, request_id, service=service.name, request=request
            )

    def _context(self, request: HttpRequest, request_id: str) -> Context:
        scope = Scope(
            account=self._account,
            region=self._region,
            request_id=request_id,
            source_ip=request.peer,
            secure=request.scheme == "https",
            user_agent=request.headers.get("user-agent", ""),
            host=request.headers.get("host", ""),
        )
        return Context(self._dispatch, ANONYMOUS, scope)
