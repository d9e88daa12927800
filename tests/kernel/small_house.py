"""The smallest house that has a door: one invented service over the memory store."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable
from typing import Any

import msgspec

from serein.base.clock import ManualClock
from serein.base.ids import SeededRandomness
from serein.kernel.authorise import Authoriser
from serein.kernel.calls import Call, Principal, Scope, root_of
from serein.kernel.courier import Courier
from serein.kernel.dispatch import Dispatch
from serein.kernel.doorbell import Doorbell
from serein.kernel.identities import Credential, Membership, PrincipalPolicies, RoleFacts
from serein.kernel.services import Registry, Service
from serein.kernel.trail import Trail
from serein.store.interface import Snapshot
from serein.store.memory import MemoryStore
from serein.store.tables import Table
from serein.wire.models import Wire

ACCOUNT = "111122223333"
SCOPE = Scope(account=ACCOUNT, region="us-east-1", request_id="r-1")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    text: str = ""


NOTES = Table("test.notes", Note, key=lambda note: (note.name,))


class Nobody:
    """Identities of a house without users; `policies` are given to every user."""

    def __init__(self) -> None:
        self.policies: PrincipalPolicies | None = PrincipalPolicies()

    def credential_or_none(
        self, snapshot: Snapshot, access_key: str, session_token: str | None
    ) -> Credential | None:
        return None

    def policies_of(self, snapshot: Snapshot, principal: Principal) -> PrincipalPolicies | None:
        return self.policies

    def role_or_none(self, snapshot: Snapshot, arn: str) -> RoleFacts | None:
        return None

    def membership_or_none(self, snapshot: Snapshot, account: str) -> Membership | None:
        return None

    def note_use(self, access_key: str, service: str, region: str, now: float) -> None:
        return None


class SmallHouse:
    """`handlers` become the operations of a service "notes"."""

    def __init__(self, *handlers: Callable[..., Any], **service: Any) -> None:
        module = types.ModuleType("tests.notes")
        for handler in handlers:
            handler.__module__ = module.__name__
            setattr(module, handler.__name__, handler)
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.identities = Nobody()
        self.trail = Trail()
        self.doorbell = Doorbell(self.clock)
        self.dispatch = Dispatch(
            registry=Registry([Service(name="notes", operations=(module,), **service)]),
            store=self.store,
            wire=Wire(),
            authoriser=Authoriser(self.identities),
            clock=self.clock,
            randomness=SeededRandomness(1),
            doorbell=self.doorbell,
            trail=self.trail,
        )
        self.courier = Courier(self.dispatch)

    def call(self, operation: str, by: Principal | None = None, **params: Any) -> Call:
        return Call("notes", operation, params, by or root_of(ACCOUNT), SCOPE)

    def notes(self) -> list[str]:
        return [note.name for note in self.store.snapshot().scan(NOTES)]


async def turn(times: int = 30) -> None:
    """Let everything that is ready run."""
    for _ in range(times):
        await asyncio.sleep(0)
