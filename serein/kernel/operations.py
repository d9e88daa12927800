"""What an operation is, and what it may do: told by its handler's first parameter (Read, Tx or Context).

    @operation("SendMessage", on=queue_of)
    def send_message(tx: Tx, request: SendMessageRequest) -> SendMessageResult: ...

`Read` looks at one snapshot, `Tx` changes things all or nothing, `Context` may wait, stream and call neighbours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import msgspec

from serein.base.clock import Clock
from serein.base.ids import Randomness, new_uuid
from serein.kernel import outbox, tags
from serein.kernel.calls import Call, Principal, Scope
from serein.kernel.doorbell import Doorbell
from serein.kernel.spans import Spans
from serein.store.blobs import Blobs
from serein.store.interface import Snapshot, Transaction
from serein.wire.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    pass

T = TypeVar("T")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
HandlerKind = Literal["read", "tx", "context"]
Arns = str | Sequence[str]
Conditions = Mapping[str, Sequence[str]]


class Need(msgspec.Struct, frozen=True):
    """One question to the policies: may the caller do `action` on `arn`, under these further condition keys."""

    action: str
    arn: str
    conditions: Conditions = {}


class OperationSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `@operation` was told."""

    name: str
    function: Callable[..., Any]
    kind: HandlerKind
    on: Callable[[Call], Arns] | None
    action: str | Callable[[Call], str] | None
    needs: tuple[Callable[[Call], Iterable[Need]], ...]
    conditions: Callable[[Call], Conditions] | None
    ignores: tuple[str, ...]
    unauthorised: bool
    unsigned: bool
    unvalidated: bool
    creates: bool


_KINDS: Mapping[str, HandlerKind] = {"Read": "read", "Tx": "tx", "Context": "context"}
_ATTRIBUTE = "__serein_operation__"


def operation(
    name: str,
    *,
    on: Callable[[Call], Arns] | None = None,
    action: str | Callable[[Call], str] | None = None,
    needs: Sequence[Callable[[Call], Iterable[Need]]] = (),
    conditions: Callable[[Call], Conditions] | None = None,
    ignores: Sequence[str] = (),
    unauthorised: bool = False,
    unsigned: bool = False,
    unvalidated: bool = False,
    creates: bool = False,
) -> Callable[[F], F]:
    """Make a function the handler of the API operation `name`.

    `on` builds the ARN (or ARNs) the request is about, from the call alone (None: "*"). `action` is the IAM action
    when it is not `<iam prefix>:<name>`. `needs` are further permissions (see `pass_role`). `conditions` adds the
    service's own condition keys (lower-case names). `ignores` names parameters accepted but not honoured.
    `unauthorised`: AWS asks for no permission (sts:GetCallerIdentity). `unsigned`: not even for a signature
    (sts:AssumeRoleWithWebIdentity). `unvalidated`: the service checks
    the request itself (S3 does, with its own words). `creates`: what `on` names is to be made, so it is the caller's,
    whoever may own a thing of that name already.
    """

    def mark(function: F) -> F:
        first = next(iter(function.__annotations__.values()), None)
        kind = _KINDS.get(str(first).rpartition(".")[2])
        if kind is None:
            raise TypeError(f"{name}: the first parameter must be annotated Read, Tx or Context")
        spec = OperationSpec(
            name=name,
            function=function,
            kind=kind,
            on=on,
            action=action,
            needs=tuple(needs),
            conditions=conditions,
            ignores=tuple(ignores),
            unauthorised=unauthorised or unsigned,
            unsigned=unsigned,
            unvalidated=unvalidated,
            creates=creates,
        )
        setattr(function, _ATTRIBUTE, spec)
        return function

    return mark


def operations_in(module: ModuleType) -> Iterator[OperationSpec]:
    """The operations that a module defines (not those it imports)."""
    for value in vars(module).values():
        spec = getattr(value, _ATTRIBUTE, None)
        if isinstance(spec, OperationSpec) and spec.function.__module__ == module.__name__:
            yield spec


def pass_role(member: str, service: str) -> Callable[[Call], Iterable[Need]]:
    """The need to hand the role named by `member` to `service` (e.g. "lambda.amazonaws.com").

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """

    def need(call: Call) -> Iterable[Need]:
        role = call.params.get(member)
        if role:
            yield Need("iam:PassRole", role, {"iam:passedtoservice": (service,)})

    return need


class Position:
    """What every handler knows: who calls, from where, and the time (epoch seconds)."""

    __slots__ = ("now", "principal", "randomness", "scope")

    def __init__(
        self, principal: Principal, scope: Scope, now: float, randomness: Randomness
    ) -> None:
        self.principal = principal
        self.scope = scope
        self.now = now
        self.randomness = randomness

    @property
    def account(self) -> str:
        """The account the call acts in."""
        return self.scope.account

    @property
    def region(self) -> str:
        """The region the call acts in."""
        return self.scope.region

    def new_id(self) -> str:
        """A fresh UUID."""
        return new_uuid(self.randomness)

    def make_call(
        self,
        service: str,
        operation: str,
        params: dict[str, Any],
        *,
        by: Principal | None = None,
        source_arn: str = "",
        account: str = "",
        region: str = "",
    ) -> Call:
        """A call to a neighbour, as the caller (default) or `by` another principal, for example a service principal.

        `source_arn` is the resource on whose behalf a service principal acts; its account defaults to this one.
        """
        scope = self.scope
        made = msgspec.structs.replace(
            scope,
            account=account or (by.account if by is not None and by.account else scope.account),
            region=region or scope.region,
            request_id=self.new_id(),
            source_arn=source_arn or ("" if by is not None else scope.source_arn),
            source_account=scope.account if source_arn else "",
            signed=None,
        )
        return Call(service, operation, params, by or self.principal, made)


class Read(Position):
    """One snapshot of the store. `get`, `scan`, `count` are the snapshot's own (see `store/interface.py`).

    `blobs` is there so that an answer may hold a stream of a blob; the handler itself does not wait for it.
    """

    __slots__ = ("blobs", "count", "get", "scan", "snapshot", "table_version")

    def __init__(
        self,
        snapshot: Snapshot,
        principal: Principal,
        scope: Scope,
        now: float,
        randomness: Randomness,
        blobs: Blobs,
    ) -> None:
        self.principal = principal
        self.scope = scope
        self.now = now
        self.randomness = randomness
        self.snapshot = snapshot
        self.get = snapshot.get
        self.scan = snapshot.scan
        self.count = snapshot.count
        self.table_version = snapshot.table_version
        self.blobs = blobs

    def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of a resource, in the order of their keys."""
        return tags.tags_of(self.snapshot, arn)


class Tx(Read):
    """A transaction: what is put and sent happens all or not at all; the caller is answered once it is on disk."""

    __slots__ = (
        "_transaction",
        "after_commit",
        "delete",
        "delete_range",
        "doorbell",
        "put",
        "put_bytes",
    )

    def __init__(
        self,
        transaction: Transaction,
        principal: Principal,
        scope: Scope,
        now: float,
        randomness: Randomness,
        blobs: Blobs,
        doorbell: Doorbell,
    ) -> None:
        super().__init__(transaction, principal, scope, now, randomness, blobs)
        self._transaction = transaction
        self.put = transaction.put
        self.put_bytes = transaction.put_bytes
        self.delete = transaction.delete
        self.delete_range = transaction.delete_range
        self.after_commit = transaction.after_commit
        self.doorbell = doorbell

    def send(
        self,
        call: Call,
        *,
        delay_s: float = 0.0,
        attempts_max: int = outbox.ATTEMPTS_MAX,
        dead_letter: Call | None = None,
    ) -> None:
        """Have `call` made after the commit: at least once, with backoff; then `dead_letter` instead, if given."""
        outbox.post(
            self._transaction,
            outbox.Delivery(
                due_at=self.now + delay_s,
                id=self.new_id(),
                call=call,
                attempts_max=attempts_max,
                dead_letter=dead_letter,
            ),
        )
        self.ring(outbox.DOORBELL)

    def ring(self, arn: str) -> None:
        """Wake who waits for `arn`, once this is committed."""
        doorbell = self.doorbell
        self.after_commit(lambda: doorbell.ring(arn))

    def tag(self, arn: str, added: Mapping[str, str]) -> None:
        """Add or replace tags of a resource."""
        tags.put_tags(self._transaction, arn, added)

    def untag(self, arn: str, keys: Iterable[str] | None = None) -> None:
        """Remove these tags of a resource, or all of them."""
        tags.remove_tags(self._transaction, arn, keys)

    def reading(self) -> Read:
        """This transaction seen as a Read (for helpers that only look)."""
        return self


class Door(Protocol):
    """What a Context needs of dispatch."""

    clock: Clock
    randomness: Randomness
    doorbell: Doorbell
    spans: Spans

    @property
    def blobs(self) -> Blobs: ...
    def begin(self, call: Call) -> dict[str, Any] | Awaitable[dict[str, Any]]: ...
    def read_now(self, principal: Principal, scope: Scope) -> Read: ...
    def transact(
        self, principal: Principal, scope: Scope, function: Callable[[Tx], T]
    ) -> Awaitable[T]: ...
    async def fetch(
        self, request: HttpRequest, secure: bool, thumbprints: Sequence[str] = ()
    ) -> HttpResponse: ...
    def authorise_need(self, read: Read, need: Need) -> None: ...
    def authenticate(self, request: HttpRequest, service: str) -> tuple[Principal, str]: ...


class Context(Position):
    """A handler that may wait, stream and call neighbours; it holds no transaction while it does."""

    __slots__ = ("door",)

    def __init__(self, door: Door, principal: Principal, scope: Scope) -> None:
        super().__init__(principal, scope, door.clock.now(), door.randomness)
        self.door = door

    @property
    def clock(self) -> Clock:
        return self.door.clock

    @property
    def blobs(self) -> Blobs:
        """The bytes of objects and archives: written and synced before a record points at them."""
        return self.door.blobs

    async def call(self, call: Call) -> dict[str, Any]:
        """Make `call` now, through the whole door, and give its answer. Raises the neighbour's AwsError."""
        answer = self.door.begin(call)
        return answer if isinstance(answer, dict) else await answer

    def read(self) -> Read:
        """The latest durable state. Use it before the next await, not after."""
        return self.door.read_now(self.principal, self.scope)

    async def transact(self, function: Callable[..., T], *args: Any) -> T:
        """Run `function(tx, *args)` in a transaction and give its result once that is durable."""
        return await self.door.transact(
            self.principal, self.scope, (lambda tx: function(tx, *args)) if args else function
        )

    async def fetch(
        self, request: HttpRequest, *, secure: bool = False, thumbprints: Sequence[str] = ()
    ) -> HttpResponse:
        """HTTP to one of our own sites (in process) or to the world. A server that no authority vouches for is trusted where
        a certificate that it shows has one of `thumbprints` (SHA-1).
        """
        return await self.door.fetch(request, secure, thumbprints)

    def listen(self, arn: str) -> Any:
        """A waiter for the doorbell of `arn`; take it before looking at the data, then `wait_for_ring`."""
        return self.door.doorbell.listen(arn)

    async def wait_for_ring(
        self, arn: str, *, until: float, waiter: Any = None, patience_s: float | None = None
    ) -> bool:
        """Wait until `arn` rings, at most `until` (epoch seconds). Returns whether it rang.

        `patience_s`: at most so many real seconds, also while the house's clock stands still: where a client waits.
        """
        doorbell = self.door.doorbell
        return await doorbell.wait(waiter or doorbell.listen(arn), arn, until, patience_s)

    def judge(self, need: Need) -> None:
        """Ask the policies a further question about this caller. Raises the AWS refusal."""
        self.door.authorise_need(self.read(), need)

    def acting(
        self, principal: Principal, *, account: str = "", region: str = "", source_arn: str = ""
    ) -> Context:
        """This context as somebody else (a worker acting as a function's role, a site as its service)."""
        scope = msgspec.structs.replace(
            self.scope,
            account=account or principal.account or self.scope.account,
            region=region or self.scope.region,
            source_arn=source_arn,
            source_account=account or principal.account if source_arn else "",
            request_id=self.new_id(),
        )
        return Context(self.door, principal, scope)
