"""Records in words that people understand: what a row of the store is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from serein.store.interface import Snapshot
from serein.store.keeping.copying import raw_table
from serein.store.keeping.differences import Change
from serein.store.seals import SEAL_BYTES
from serein.store.tables import Key

Fields = Mapping[str, Any]

KINDS: Mapping[str, tuple[str, str]] = {
    # table: (what a record of it is, which fields name it)
    "s3.buckets": ("S3 bucket", "{name}"),
    "s3.settings": ("S3 bucket setting", "{bucket} {kind}"),
    "s3.objects": ("S3 object", "{bucket}/{key}"),
    "s3.history": ("S3 object version", "{bucket}/{key} ({version})"),
    "s3.uploads": ("S3 multipart upload", "{bucket}/{key}"),
    "sqs.queues": ("SQS queue", "{name}"),
    "sqs.messages": ("SQS message", "{queue} {id}"),
    "sqs.fifo_messages": ("SQS message", "{queue} {id}"),
    "dynamodb.tables": ("DynamoDB table", "{name}"),
    "lambda.functions": ("Lambda function", "{name} (version {version})"),
    "lambda.aliases": ("Lambda alias", "{function}:{name}"),
    "lambda.layers": ("Lambda layer", "{name}"),
    "lambda.mappings": ("Lambda event source mapping", "{id}"),
    "lambda.urls": ("Lambda function URL", "{function}"),
    "lambda.policies": ("Lambda function policy", "{function}"),
    "lambda.async_events": ("Lambda event waiting", "{id}"),
    "logs.groups": ("log group", "{name}"),
    "logs.streams": ("log stream", "{name}"),
    "iam.users": ("IAM user", "{name}"),
    "iam.groups": ("IAM group", "{name}"),
    "iam.roles": ("IAM role", "{name}"),
    "iam.policies": ("IAM policy", "{arn}"),
    "iam.inline_policies": ("IAM inline policy", "{entity} {name}"),
    "iam.access_keys": ("IAM access key", "{id}"),
    "cloudformation.stacks": ("CloudFormation stack", "{name}"),
    "cloudformation.resources": ("CloudFormation resource", "{logical_id}"),
    "cloudformation.exports": ("CloudFormation export", "{name}"),
    "apigatewayv2.apis": ("API", "{api_id} {name}"),
    "apigatewayv2.routes": ("API route", "{api_id} {route_key}"),
    "apigatewayv2.stages": ("API stage", "{api_id} {stage_name}"),
    "kernel.tags": ("tag", "{arn} {key}"),
    "kernel.outbox": ("delivery waiting", "{id}"),
    "kernel.clock": ("the house's clock", ""),
}

BESIDE = frozenset(
    {
        # Second tables that only mirror, index or count what others hold.
        "s3.buckets_of", "s3.bodies", "s3.garbage", "s3.parts", "sqs.groups", "sqs.ready_groups", "sqs.shifts", "sqs.dedups", "sqs.sequences",
        "dynamodb.index_rows", "dynamodb.figures", "dynamodb.expiries", "dynamodb.expiry_fills", "dynamodb.purges",
        "dynamodb.backfills", "dynamodb.transaction_tokens", "dynamodb.stream_counters", "iam.groups_of", "iam.keys_of",
        "iam.key_uses", "iam.role_uses", "iam.attached_to", "lambda.urls_by_id", "lambda.checkpoints", "lambda.layer_counters",
        "cloudformation.events", "cloudformation.deployments", "cloudformation.stack_names", "logs.purges", "contracts.sealing_keys", "contracts.consumption",
        "iam.service_uses",
    }
)  # fmt: skip

PLAIN: Mapping[str, str] = {
    "dynamodb.items": "DynamoDB item",
    "dynamodb.stream_records": "DynamoDB stream record",
    "logs.events": "log event",
}


class Said(msgspec.Struct, frozen=True):
    """A change in words: `kind` "S3 object", `name` "bucket/key", `what` "added", "removed" or "changed", with `details`."""

    kind: str
    name: str
    what: str
    details: str = ""


class Words:
    """Says what changes are about. `names` are looked up in the states themselves: queues and tables by their ids."""

    def __init__(self, *states: Snapshot) -> None:
        self._names: dict[str, str] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        for state in states:
            tables = state.tables()
            for table in ("sqs.queues", "dynamodb.tables", "logs.streams"):
                if table in tables:
                    for _, value in state.scan_rows(raw_table(table, tables[table])):
                        self._learn(fields_of(value[:-SEAL_BYTES]))

    def _learn(self, fields: Fields) -> None:
        if "id" in fields and "name" in fields:
            self._names[str(fields["id"])] = str(fields["name"])
        if "hash" in fields and isinstance(fields["hash"], dict):
            keys = [fields["hash"], fields.get("sort")]
            self._keys[str(fields["id"])] = tuple(str(key["name"]) for key in keys if key)

    def of(self, change: Change) -> Said:
        """One change in words."""
        what = (
            "added" if change.before is None else "removed" if change.after is None else "changed"
        )
        table = change.table
        if table in PLAIN:
            return Said(PLAIN[table], self._plain_name(change), what, _item_details(change))
        before = fields_of(change.before) if change.before is not None else {}
        after = fields_of(change.after) if change.after is not None else {}
        kind, form = KINDS.get(table, (table, ""))
        fields = {**before, **after}
        if "queue" in fields:
            fields["queue"] = self._names.get(str(fields["queue"]), str(fields["queue"]))
        try:
            name = form.format_map(fields) if table in KINDS else _key_text(change.key)
        except KeyError:
            name = _key_text(change.key)
        details = ""
        if what == "changed":
            names = sorted(
                name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
            )
            details = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
        return Said(kind, name, what, details)

    def _plain_name(self, change: Change) -> str:
        key = change.key
        owner = self._names.get(str(key[0]), str(key[0]))
        if change.table == "dynamodb.items":
            keys = self._keys.get(str(key[0]), ())
            item = _item(change.after or change.before or b"")
            if keys and all(name in item for name in keys):
                shown = {name: item[name] for name in keys}
                return f"{owner} {orjson.dumps(shown).decode()}"
        return f"{owner} {_key_text(key[1:])}"


def fields_of(value: bytes) -> dict[str, Any]:
    """A stored record's fields by name, whatever its form; empty where it is none."""
    try:
        found = msgspec.msgpack.decode(value if value[:1] > b"\x7f" else value[1:])
    except (msgspec.MsgspecError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _item(value: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(value[4:])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _item_details(change: Change) -> str:
    if change.table != "dynamodb.items" or change.before is None or change.after is None:
        return ""
    before, after = _item(change.before), _item(change.after)
    names = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    return ", ".join(names[:6])


def _key_text(key: Key) -> str:
    return "/".join(
        part.hex() if isinstance(part, bytes) else str(part) for part in key if part != ""
    )


def joined(changes: list[tuple[Change, Said]]) -> list[Said]:
    """Changes in words; what was removed here and added there under the same name (a message that waits anew) has changed."""
    by_name: dict[tuple[str, str], Said] = {}
    for _, said in changes:
        name = (said.kind, said.name)
        other = by_name.get(name)
        if other is not None and {other.what, said.what} == {"added", "removed"}:
            said = Said(said.kind, said.name, "changed", "its place")
        by_name[name] = said
    return list(by_name.values())
