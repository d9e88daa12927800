"""What SQS remembers: queues, messages, and what FIFO queues need besides.

A standard queue's messages stand in the order in which they become visible, so a receiver reads from the front and never
walks over invisible ones; receiving moves a message back to where its visibility timeout ends.
"""

from __future__ import annotations

import msgspec

from serein.store.tables import Table


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """A redrive policy: where messages go that were received too often."""

    target: str
    """The dead-letter queue's ARN."""
    receives_max: int
    text: str
    """The policy as it was given."""


class Queue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queue. `id` is new with every creation, so a recreated queue does not see its predecessor's messages."""

    account: str
    region: str
    name: str
    id: str
    created_at: float
    modified_at: float
    delay_s: int = 0
    body_bytes_max: int = 1_048_576
    retention_s: int = 345_600
    wait_s: int = 0
    visibility_s: int = 30
    policy: str = ""
    redrive: Redrive | None = None
    redrive_allow: str = ""
    kms_key: str = ""
    kms_reuse_s: int = 300
    sse_managed: bool = True
    fifo: bool = False
    content_dedup: bool = False
    dedup_scope: str = "queue"
    throughput_limit: str = "perQueue"

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.name}"


QUEUES = Table("sqs.queues", Queue, key=lambda q: (q.account, q.region, q.name), cached=True)


class Attribute(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message attribute: text or bytes, with its data type."""

    type: str
    text: str | None = None
    data: bytes | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message. Times are epoch seconds."""

    queue: str
    """The queue's id."""
    id: str
    visible_at: float
    order: int
    """Tells messages apart that become visible at the same instant; in FIFO queues the sequence number."""
    body: str
    sent_at: float
    sender: str
    receive_count: int = 0
    first_received_at: float = 0.0
    attributes: dict[str, Attribute] = {}
    system: dict[str, Attribute] = {}
    group: str = ""
    dedup: str = ""
    source: str = ""
    """The ARN of the queue whose dead letter this is."""
    shifted: bool = False
    """Its visibility was changed since it was received, so its receipt handle points elsewhere (`SHIFTS`)."""


MESSAGES = Table("sqs.messages", Message, key=lambda m: (m.queue, m.visible_at, m.order, m.id))
"""The messages of standard queues."""

FIFO_MESSAGES = Table("sqs.fifo_messages", Message, key=lambda m: (m.queue, m.group, m.order))
"""The messages of FIFO queues, by group and sequence."""


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands now whose visibility was changed after it was received."""

    queue: str
    message: str
    visible_at: float


SHIFTS = Table("sqs.shifts", Shift, key=lambda s: (s.queue, s.message))


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A FIFO group's first message: the group can be received from when that is visible."""

    queue: str
    group: str
    visible_at: float
    order: int


GROUPS = Table("sqs.groups", Group, key=lambda g: (g.queue, g.group))
READY = Table("sqs.ready_groups", Group, key=lambda g: (g.queue, g.visible_at, g.order, g.group))
"""The same groups in the order in which they can be received from."""


class Dedup(msgspec.Struct, frozen=True, kw_only=True):
    """A deduplication id that was used within the last five minutes."""

    queue: str
    scope: str
    """The message group, or "" for the whole queue."""
    key: str
    message: str
    order: int
    until: float


DEDUPS = Table("sqs.dedups", Dedup, key=lambda d: (d.queue, d.scope, d.key))


class Sequence(msgspec.Struct, frozen=True, kw_only=True):
    """The last sequence number of a FIFO queue."""

    queue: str
    last: int


SEQUENCES = Table("sqs.sequences", Sequence, key=lambda s: (s.queue,), cached=True, busy=True)


class MoveTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message move task: brings a dead-letter queue's messages back."""

    source: str
    """The dead-letter queue's ARN."""
    id: str
    started_at: float
    status: str
    to_move: int
    moved: int = 0
    destination: str = ""
    """"" sends each message back to the queue it came from."""
    per_second_max: int = 0
    failure: str = ""


MOVE_TASKS = Table("sqs.move_tasks", MoveTask, key=lambda t: (t.source, t.started_at, t.id))
