"""The one door. Every call, from the wire or from a neighbour, goes through `Dispatch.begin`:

1. find the handler (absent: a loud "not implemented" that names the operation),
2. validate the params against AWS's model, in AWS's words,
3. authorise, in the handler's own snapshot or transaction,
4. run it as Read, Tx or Context,
5. record it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any, Protocol, TypeVar

from serein.base.clock import Clock
from serein.base.errors import AwsError
from serein.base.ids import Randomness
from serein.kernel.authorise import Authoriser
from serein.kernel.calls import Call, Principal, Scope
from serein.kernel.doorbell import Doorbell
from serein.kernel.operations import Context, Need, Read, Tx
from serein.kernel.services import NotBuilt, Registered, Registry
from serein.kernel.spans import Spans
from serein.kernel.trail import Trail
from serein.store.blobs import Blobs
from serein.store.errors import StoreFull
from serein.store.interface import Store, StoreUnavailable, Transaction
from serein.wire import server_faults
from serein.wire.http import BodyInterrupted, BodyTooLarge, HttpRequest, HttpResponse
from serein.wire.models import ServiceWire, Wire
from serein.wire.sigv4.problems import SignatureProblem
from serein.wire.validate import Failure, validation_error

log = logging.getLogger(__name__)
T = TypeVar("T")
CALLERS_FAULT = (BodyInterrupted, BodyTooLarge, SignatureProblem)
"""What a streamed body can raise while an operation reads it: the front answers it."""
Finishing = Callable[[Transaction], None]
Validate = Callable[[dict[str, Any]], Sequence[Failure]]


class InternalFailure(AwsError):
    """Our own bug. The caller learns nothing of it but the request id; the log has the rest."""

    code = "InternalFailure"
    status = 500
    fault = "server"


class Fetcher(Protocol):
    """HTTP to our own sites in process, or to the world."""

    async def __call__(
        self, request: HttpRequest, secure: bool, thumbprints: Sequence[str] = ()
    ) -> HttpResponse: ...


class Authenticator(Protocol):
    """Who signed an HTTP request, as the front finds out (used by sites with IAM authorisation)."""

    def __call__(self, request: HttpRequest, service: str) -> tuple[Principal, str]: ...


class Dispatch:
    """The door, and what every Context reaches through it."""

    def __init__(
        self,
        *,
        registry: Registry,
        store: Store,
        wire: Wire,
        authoriser: Authoriser,
        clock: Clock,
        randomness: Randomness,
        doorbell: Doorbell,
        trail: Trail,
        spans: Spans | None = None,
    ) -> None:
        self.registry = registry
        self.store = store
        self.wire = wire
        self.authoriser = authoriser
        self.clock = clock
        self.randomness = randomness
        self.doorbell = doorbell
        self.trail = trail
        self.spans = spans or Spans()
        self.fetcher: Fetcher | None = None
        self.authenticator: Authenticator | None = None
        self._validators: dict[tuple[str, str], Validate] = {}

    @property
    def blobs(self) -> Blobs:
        return self.store.blobs

    def begin(
        self, call: Call, *, finishing: Finishing | None = None
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """Start `call`: its answer at once (Read), or an awaitable of it. Raises AwsError, here or when awaited.

        `finishing` runs in the same transaction when the handler is a Tx and succeeds (else in one of its own
        after it): how the courier removes what it has delivered.
        """
        started = perf_counter()
        if call.scope.trace:
            call = self.spans.entered(call, self.clock.now(), self.randomness)
        try:
            found = self.registry.find(call.service, call.operation)
            if not found.spec.unvalidated:
                self._validate(found, call)
            if found.spec.kind == "read" and finishing is None:
                answer = self._run_read(found, call)
                self._record(call, started)
                return answer
            if found.spec.kind == "tx":
                future = self._run_tx(found, call, finishing)
                future.add_done_callback(lambda done: self._record_future(call, started, done))
                return future
        except AwsError as error:
            self._record(call, started, error)
            raise
        except Exception as error:
            raise self._internal(call, started, error) from error
        return self._run_waiting(found, call, started, finishing)

    async def call(self, call: Call) -> dict[str, Any]:
        """`begin`, awaited."""
        answer = self.begin(call)
        return answer if isinstance(answer, dict) else await answer

    def _validate(self, found: Registered, call: Call) -> None:
        key = (call.service, call.operation)
        validate = self._validators.get(key)
        if validate is None:
            operation = self.wire.service(call.service).operation(call.operation)
            validate = self._validators[key] = operation.validate
        failures = validate(call.params)
        if not failures:
            return
        word = found.service.invalid
        error = word(failures, call.operation) if word else validation_error(failures)
        if error is not None:
            raise error

    def _run_read(self, found: Registered, call: Call) -> dict[str, Any]:
        now = self.clock.now()
        read = Read(
            self.store.snapshot(), call.principal, call.scope, now, self.randomness, self.blobs
        )
        self.authoriser.authorise(read, found, call)
        try:
            answer: dict[str, Any] = found.spec.function(read, call.params)
        except AwsError as error:
            self._check_told(read, error)
            raise
        return answer if answer is not None else {}

    def _check_told(self, read: Read, error: AwsError) -> None:
        """Raise AccessDenied in place of an error that the caller may not be told."""
        if isinstance(error.hidden_without, Need):
            self.authoriser.ask(read, error.hidden_without, self.registry)

    def _run_tx(
        self, found: Registered, call: Call, finishing: Finishing | None
    ) -> asyncio.Future[dict[str, Any]]:
        def run(transaction: Transaction) -> dict[str, Any]:
            now = self.clock.now()
            tx = Tx(
                transaction,
                call.principal,
                call.scope,
                now,
                self.randomness,
                self.blobs,
                self.doorbell,
            )
            self.authoriser.authorise(tx, found, call)
            answer: dict[str, Any] | None = found.spec.function(tx, call.params)
            if finishing is not None:
                finishing(transaction)
            return answer if answer is not None else {}

        return self.store.transact(run)

    async def _run_waiting(
        self, found: Registered, call: Call, started: float, finishing: Finishing | None
    ) -> dict[str, Any]:
        try:
            if found.spec.kind == "read":
                answer: dict[str, Any] | None = self._run_read(found, call)
            else:
                read = self.read_now(call.principal, call.scope)
                self.authoriser.authorise(read, found, call)
                try:
                    answer = await found.spec.function(
                        Context(self, call.principal, call.scope), call.params
                    )
                except AwsError as error:
                    self._check_told(self.read_now(call.principal, call.scope), error)
                    raise
            if finishing is not None:
                await self.store.transact(finishing)
            self._record(call, started)
            return answer if answer is not None else {}
        except AwsError as error:
            self._record(call, started, error)
            raise
        except CALLERS_FAULT as error:
            self._record(call, started, AwsError(str(error), code=type(error).__name__))
            raise
        except Exception as error:
            raise self._internal(call, started, error) from error

    def _record(self, call: Call, started: float, error: AwsError | None = None) -> None:
        now, took_s = self.clock.now(), perf_counter() - started
        self.trail.record(
            now,
            call.scope.request_id,
            call.service,
            call.operation,
            call.principal.arn,
            took_s,
            error.code if error else "",
            error.message if error else "",
        )
        if call.scope.within is not None:
            self.spans.left(call, now, took_s, error)

    def _record_future(
        self, call: Call, started: float, done: asyncio.Future[dict[str, Any]]
    ) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None or isinstance(error, AwsError):
            self._record(call, started, error)
        else:
            self._internal(call, started, error)

    def _internal(self, call: Call, started: float, error: BaseException) -> AwsError:
        """Our own bug, or a store that cannot write: logged whole, answered without detail."""
        shown = as_aws_error(error, self.wire.service(call.service))
        if isinstance(shown, InternalFailure):
            log.error(
                "%s:%s (request %s) failed",
                call.service,
                call.operation,
                call.scope.request_id,
                exc_info=error,
            )
        self._record(call, started, shown)
        return shown

    def read_now(self, principal: Principal, scope: Scope) -> Read:
        """The latest durable state, for one principal, without a call."""
        return Read(
            self.store.snapshot(), principal, scope, self.clock.now(), self.randomness, self.blobs
        )

    def transact(
        self, principal: Principal, scope: Scope, function: Callable[[Tx], T]
    ) -> Awaitable[T]:
        """A transaction for one principal, without a call."""

        def run(transaction: Transaction) -> T:
            now = self.clock.now()
            return function(
                Tx(transaction, principal, scope, now, self.randomness, self.blobs, self.doorbell)
            )

        return self.store.transact(run)

    async def fetch(
        self, request: HttpRequest, secure: bool, thumbprints: Sequence[str] = ()
    ) -> HttpResponse:
        if self.fetcher is None:
            raise NotBuilt("http", "fetch")
        return await self.fetcher(request, secure, thumbprints)

    def authenticate(self, request: HttpRequest, service: str) -> tuple[Principal, str]:
        if self.authenticator is None:
            raise NotBuilt("http", "authenticate")
        return self.authenticator(request, service)

    def authorise_need(self, read: Read, need: Need) -> None:
        self.authoriser.ask(read, need, self.registry)


def as_aws_error(error: BaseException, service: ServiceWire | None = None) -> AwsError:
    """The error a client is shown for anything that went wrong, as `service` words it."""
    if isinstance(error, AwsError):
        return error
    if isinstance(error, StoreUnavailable):
        code, status = (
            server_faults.unavailable(service) if service else ("ServiceUnavailable", 503)
        )
        why = ": its disk is full" if isinstance(error, StoreFull) else ""
        return AwsError(
            f"The service cannot store data at the moment{why}. Nothing was changed; try again.",
            code=code,
            status=status,
        )
    code, status = server_faults.internal(service) if service else ("InternalFailure", 500)
    return InternalFailure(
        "An internal error occurred. The server's log has it under the request id.",
        code=code,
        status=status,
    )
