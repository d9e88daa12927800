"""A service as the kernel sees it, and the registry of all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

import msgspec

from serein.base.errors import AwsError
from serein.engines.policy import PolicyKind
from serein.kernel.calls import Call
from serein.kernel.operations import Context, OperationSpec, Read, operations_in
from serein.kernel.sweeper import Holds
from serein.wire.http import HttpRequest, HttpResponse


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on by itself: `run(cx)` is called as the service's principal, and again (with backoff) if it ends."""

    name: str
    run: Callable[[Context], Awaitable[None]]
    everywhere: bool = False
    """Whether every process has one of its own (for what lives in a process); else it runs once in the whole house."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP face that is not an AWS API: execute-api, function URLs, bucket websites.

    A request belongs to it when its host has `host_label` as a label (`<id>.execute-api.localhost`), or when its path
    begins with one of `path_prefixes`. `handle(cx, request, name)` gets the label(s) before `host_label`
    ("" for path forms) and acts as nobody until it says `cx.acting(…)`.
    """

    name: str
    handle: Callable[[Context, HttpRequest, str], Awaitable[HttpResponse]]
    host_label: str = ""
    path_prefixes: tuple[str, ...] = ()
    wants: Callable[[HttpRequest], bool] | None = None
    """Whether a request below one of `path_prefixes` is its (None: each is), where an API has paths there, too."""


class RawHttp(Protocol):
    """HTTP at the service's own endpoint that is no API operation: S3's CORS preflight and browser form uploads."""

    def wants(self, request: HttpRequest) -> bool:
        """Whether this request is one of those (asked for every request: be quick)."""
        ...

    async def answer(self, cx: Context, request: HttpRequest) -> HttpResponse:
        """Its answer. `cx` acts as nobody; AwsErrors are answered in the service's protocol."""
        ...


class Invalid(Protocol):
    """How a service words constraint failures found by the wire's validation."""

    def __call__(self, failures: Sequence[Any], operation: str) -> AwsError | None: ...


def _account_in_arn(read: Read, arn: str) -> str | None:
    parts = arn.split(":", 5)
    return (parts[4] or None) if len(parts) == 6 and parts[0] == "arn" else None


def _no_policy(read: Read, arn: str) -> str | None:
    return None


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """The face of a service: what `services/<name>/__init__.py` exports.

    `name` is botocore's service name, `iam_prefix` the prefix of its IAM actions (default: the name).
    `policy_of(read, arn)` is the resource policy's JSON text, or None; `owner_of(read, arn)` the owning account where
    the ARN does not tell it (S3). `invalid` words constraint failures (default: a ValidationException in
    AWS's common words); it may return None to let the request pass.
    """

    name: str
    operations: tuple[ModuleType, ...]
    iam_prefix: str = ""
    policy_of: Callable[[Read, str], str | None] = _no_policy
    owner_of: Callable[[Read, str], str | None] = _account_in_arn
    arn_of: Callable[[Read, str], str] | None = None
    """The whole ARN of what the request alone names in part (IAM's paths); judged in its place."""
    conditions_of: Callable[[Read, str], Mapping[str, Sequence[str]]] | None = None
    """Condition keys that need a look at the resource (e.g. s3:ExistingObjectTag)."""
    keys_of: Callable[[Read, Call, str], Mapping[str, Sequence[str]]] | None = None
    """Condition keys of every operation's requests (dynamodb:LeadingKeys …): `keys_of(read, call, arn)`. Asked only once a
    statement names a key of the service's; what costs may be worked out in the mapping's `get`."""
    invalid: Invalid | None = None
    policy_kind: PolicyKind = "resource"
    """What `policy_of` gives: "trust" for roles."""
    resource_must_allow: bool = False
    """Whether the resource's policy has to allow even within the account (KMS keys)."""
    denied: tuple[str, int] = ("AccessDeniedException", 400)
    """Code and HTTP status of a refusal: query and XML services say ("AccessDenied", 403), rest-json ones 403."""
    raw: RawHttp | None = None
    decorate: Callable[[Read, HttpRequest, HttpResponse], None] | None = None
    """Adds headers to an answer; asked only where the request has an Origin (S3's CORS)."""
    workers: tuple[Worker, ...] = ()
    sites: tuple[Site, ...] = ()
    around: Callable[[OperationSpec], OperationSpec] | None = None
    """Makes of each operation what is registered: a switch that is off costs nothing (DynamoDB's capacity)."""
    holds: tuple[Holds, ...] = ()
    """Every table whose records point at blobs, and how; what none of them names is swept (`kernel/sweeper.py`)."""

    @property
    def has_policies(self) -> bool:
        """Whether its resources can have policies of their own."""
        return self.policy_of is not _no_policy

    @property
    def prefix(self) -> str:
        return self.iam_prefix or self.name


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of one service, as dispatch finds it."""

    service: Service
    spec: OperationSpec
    action: str


class Registry:
    """Every service, and every operation by (service, name)."""

    def __init__(self, services: Iterable[Service]) -> None:
        self.services: dict[str, Service] = {}
        self.operations: dict[tuple[str, str], Registered] = {}
        for service in services:
            if service.name in self.services:
                raise ValueError(f"service {service.name} is registered twice")
            self.services[service.name] = service
            for module in service.operations:
                for spec in operations_in(module):
                    self._add(service, spec)

    def _add(self, service: Service, spec: OperationSpec) -> None:
        if service.around is not None:
            spec = service.around(spec)
        key = (service.name, spec.name)
        if key in self.operations:
            raise ValueError(f"operation {service.name}:{spec.name} has two handlers")
        action = spec.action if isinstance(spec.action, str) else f"{service.prefix}:{spec.name}"
        self.operations[key] = Registered(service=service, spec=spec, action=action)

    def find(self, service: str, operation: str) -> Registered:
        """The registered operation. Raises NotBuilt, naming it, when Serein has no such handler."""
        found = self.operations.get((service, operation))
        if found is None:
            raise NotBuilt(service, operation)
        return found


class NotBuilt(AwsError):
    """AWS has this operation and Serein has not: an honest 501 (SDKs do not retry it)."""

    code = "NotImplemented"
    status = 501
    fault = "server"

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(
            f"Serein has not implemented {service}:{operation} yet. docs/coverage.md lists what is there."
        )
