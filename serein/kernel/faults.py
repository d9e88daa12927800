"""Faults on purpose: errors, throttling, latency, dropped connections and crashes, by service and operation, under a seed.

    faults = Faults(dispatch, clock, crash)
    faults.add(Fault(service="sqs", operation="SendMessage", kind="throttle", probability=0.1))
    faults.clear()

A fault strikes before a call has done anything, or after what it did is durable (`at`), or, a crash, inside its transaction.
While none is set nothing stands in the way: the door's `begin` is taken over when the first is added, and given back with the last.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar

import msgspec

from serein.base.clock import Clock
from serein.base.errors import AwsError
from serein.kernel.calls import Call, Principal, Scope
from serein.kernel.dispatch import Dispatch, Finishing
from serein.kernel.operations import Tx
from serein.store.interface import Transaction

log = logging.getLogger(__name__)
T = TypeVar("T")

Kind = Literal["error", "throttle", "latency", "drop", "crash"]
At = Literal["before", "commit", "after"]
Callers = Literal["all", "clients", "house"]

FAULTS_MAX = 100
DELAY_S_MAX = 900.0
SERVER_CODES = frozenset({"InternalFailure", "InternalError", "InternalServerError"})

THROTTLES: dict[str, tuple[str, str, int]] = {
    # How each service says "slow down", in its own words.
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
    "dynamodb": (
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your "
        "provisioning level with the UpdateTable API.",
        400,
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    # https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    "lambda": ("TooManyRequestsException", "Rate Exceeded.", 429),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
    "sqs": ("RequestThrottled", "Request throttled.", 400),
    "iam": ("Throttling", "Rate exceeded", 400),
    "sts": ("Throttling", "Rate exceeded", 400),
    "cloudformation": ("Throttling", "Rate exceeded", 400),
    "apigatewayv2": ("TooManyRequestsException", "Too Many Requests", 429),
}
THROTTLE = ("ThrottlingException", "Rate exceeded", 400)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, where, and how often.

    `service` and `operation` are botocore's and AWS's names, `*` and `?` standing for anything. `at`: "before" anything was
    done; "after" it is durable, only the answer being lost or wrong; "commit" (crash only): inside the transaction, so that nothing
    of it may remain. `times`: so often at most (None: for ever), after the first `skip` that would have struck. `code`, `message`, `status`
    word an error; what is left out comes from the service's model. `delay_s` and `delay_s_max` bound latency (real seconds).
    `callers`: everybody, clients alone, or the house's own workers and deliveries alone.
    """

    service: str = "*"
    operation: str = "*"
    kind: Kind
    at: At = "before"
    probability: float = 1.0
    times: int | None = None
    skip: int = 0
    code: str = ""
    message: str = ""
    status: int = 0
    delay_s: float = 0.0
    delay_s_max: float = 0.0
    callers: Callers = "all"
    seed: int = 0
    id: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.probability <= 1.0:
            raise ValueError("A probability is above 0 and at most 1.")
        if self.times is not None and self.times < 1:
            raise ValueError("A fault strikes at least once.")
        if self.skip < 0:
            raise ValueError("Nothing less than 0 can be skipped.")
        if self.at == "commit" and self.kind != "crash":
            raise ValueError("Only a crash can strike at the commit.")
        if self.kind == "latency":
            if not 0.0 < max(self.delay_s, self.delay_s_max) <= DELAY_S_MAX or self.delay_s < 0:
                raise ValueError(f"Latency is above 0 and at most {DELAY_S_MAX:.0f} seconds.")
            if self.delay_s_max and self.delay_s_max < self.delay_s:
                raise ValueError("The longest delay is shorter than the shortest.")
        if self.status and not 400 <= self.status <= 599:
            raise ValueError("An error's status is from 400 to 599.")


class Armed:
    """A fault that is set: its own dice, and what it has done so far."""

    __slots__ = ("dice", "fault", "matched", "struck")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        # Dice of its own: the same seed and the same calls give the same history, whatever other faults there are.
        self.dice = random.Random(f"{fault.seed}:{fault.service}:{fault.operation}:{fault.kind}")
        self.matched = 0
        self.struck = 0

    def strikes(self, call: Call) -> bool:
        """Whether it strikes `call` (and then it has)."""
        fault = self.fault
        if fault.times is not None and self.struck >= fault.times:
            return False
        if not (
            fnmatchcase(call.service, fault.service)
            and fnmatchcase(call.operation, fault.operation)
            and (fault.callers == "all" or is_client(call) == (fault.callers == "clients"))
        ):
            return False
        self.matched += 1
        if fault.probability < 1.0 and self.dice.random() >= fault.probability:
            return False
        if self.matched <= fault.skip:
            return False
        self.struck += 1
        return True


def is_client(call: Call) -> bool:
    """Whether a call came in by HTTP; else the house makes it by itself."""
    return bool(call.scope.host) and call.principal.kind != "service"


_crash_at_commit: ContextVar[bool] = ContextVar("_crash_at_commit", default=False)


class Faults:
    """The faults of one house. `crash` ends the process at once, without goodbye."""

    def __init__(self, dispatch: Dispatch, clock: Clock, crash: Callable[[], None]) -> None:
        self._dispatch = dispatch
        self._clock = clock
        self._crash = crash
        self._armed: dict[str, Armed] = {}
        self._numbers = 0
        self._begin = dispatch.begin
        self._transact = dispatch.transact

    def add(self, fault: Fault) -> Fault:
        """Set a fault; it comes back with its id. Raises ValueError when there are too many or the id is taken."""
        if len(self._armed) >= FAULTS_MAX:
            raise ValueError(f"There are {FAULTS_MAX} faults already: clear some.")
        if not fault.id:
            self._numbers += 1
            fault = msgspec.structs.replace(fault, id=f"f{self._numbers}")
        if fault.id in self._armed:
            raise ValueError(f"There is a fault {fault.id} already.")
        self._armed[fault.id] = Armed(fault)
        self._take_over()
        return fault

    def clear(self, ids: Sequence[str] = ()) -> int:
        """Take these faults away, or all; how many. Raises ValueError for an id that none has."""
        for one in ids:
            if one not in self._armed:
                raise ValueError(f"There is no fault {one}.")
        gone = list(ids) or list(self._armed)
        for one in gone:
            del self._armed[one]
        if not self._armed:
            self._give_back()
        return len(gone)

    def listed(self) -> list[Armed]:
        """Those that are set, in the order in which they were added."""
        return list(self._armed.values())

    def _take_over(self) -> None:
        # An attribute of this very object goes before the class's method: where there is none, nothing is asked.
        self._dispatch.begin = self._begin_with_faults  # type: ignore[method-assign]
        self._dispatch.transact = self._transact_with_faults  # type: ignore[method-assign]

    def _give_back(self) -> None:
        for name in ("begin", "transact"):
            vars(self._dispatch).pop(name, None)

    def _begin_with_faults(
        self, call: Call, *, finishing: Finishing | None = None
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """`Dispatch.begin`, with what is set to go wrong."""
        struck = [armed.fault for armed in self._armed.values() if armed.strikes(call)]
        if not struck:
            return self._begin(call, finishing=finishing)
        for fault in struck:
            log.info("fault %s strikes %s:%s", fault.id, call.service, call.operation)
        return self._struck(call, struck, finishing)

    async def _struck(
        self, call: Call, struck: Sequence[Fault], finishing: Finishing | None
    ) -> dict[str, Any]:
        await self._suffer(call, [fault for fault in struck if fault.at == "before"])
        crashes = any(fault.at == "commit" for fault in struck)
        if crashes:
            finishing = self._crashing(finishing)
            _crash_at_commit.set(True)
        answer = self._begin(call, finishing=finishing)
        result = answer if isinstance(answer, dict) else await answer
        if crashes:
            # It had no transaction in which to crash.
            self._crash()
        await self._suffer(call, [fault for fault in struck if fault.at == "after"])
        return result

    async def _suffer(self, call: Call, faults: Sequence[Fault]) -> None:
        """Wait as long as all of them together say, then fail as the first one says that is more than late."""
        for fault in faults:
            if fault.kind == "latency":
                await self._wait(fault)
        for fault in faults:
            match fault.kind:
                case "crash":
                    self._crash()
                case "drop":
                    raise _dropped(call)
                case "error" | "throttle":
                    error = self.error_of(fault, call)
                    self._record(call, error)
                    raise error
                case _:
                    continue

    async def _wait(self, fault: Fault) -> None:
        delay_s = fault.delay_s
        if fault.delay_s_max > delay_s:
            dice = self._armed[fault.id].dice if fault.id in self._armed else random.Random(0)
            delay_s = dice.uniform(delay_s, fault.delay_s_max)
        await self._clock.sleep_until(self._clock.now() + delay_s, patience_s=delay_s)

    def error_of(self, fault: Fault, call: Call) -> AwsError:
        """The error as the service would say it."""
        if fault.kind == "throttle":
            code, message, status = THROTTLES.get(call.service, THROTTLE)
        else:
            code, message = fault.code or "InternalFailure", "A fault was set for this operation."
            modelled = self._dispatch.wire.service(call.service).error(code)
            if modelled is not None:
                status = modelled.status
            else:
                status = 500 if code in SERVER_CODES else 503 if "Unavailable" in code else 400
        return AwsError(
            fault.message or message, code=fault.code or code, status=fault.status or status
        )

    def _record(self, call: Call, error: AwsError) -> None:
        self._dispatch.trail.record(
            self._clock.now(),
            call.scope.request_id,
            call.service,
            call.operation,
            call.principal.arn,
            0.0,
            error.code,
            error.message,
        )

    def _crashing(self, finishing: Finishing | None) -> Finishing:
        """What runs last in the call's transaction: the end of this process."""

        def finish(transaction: Transaction) -> None:
            if finishing is not None:
                finishing(transaction)
            self._crash()

        return finish

    def _transact_with_faults(
        self, principal: Principal, scope: Scope, function: Callable[[Tx], T]
    ) -> Awaitable[T]:
        """`Dispatch.transact`: the first transaction of a Context operation that is to crash at its commit."""
        if not _crash_at_commit.get():
            return self._transact(principal, scope, function)

        def run(tx: Tx) -> T:
            function(tx)
            self._crash()
            raise AssertionError("a crash that returns")

        return self._transact(principal, scope, run)


def _dropped(call: Call) -> BaseException:
    """A client sees its connection end without an answer; a neighbour, who has none, an error of the network."""
    if is_client(call):
        # The front ends the connection of a request that was cancelled.
        return asyncio.CancelledError("a fault dropped the connection")
    return AwsError("The connection was dropped.", code="RequestTimeout", status=500)
