"""From a request's bytes to its answer's, errors included."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from serein.base.errors import AwsError
from serein.kernel.dispatch import as_aws_error
from serein.kernel.operations import Context
from serein.services.dax.access import ADDRESS, zone_of
from serein.services.dax.workers import queries, reads, transactions, writes
from serein.services.dax.workers.asking import Asking, Serving
from serein.wire.dax import answers
from serein.wire.dax import numerals as n
from serein.wire.dax.cbor import MalformedFrame, Reader
from serein.wire.dax.failures import MALFORMED, codes_of, failure
from serein.wire.dax.requests import read_names

log = logging.getLogger(__name__)

Operation = Callable[[Asking, Reader], Awaitable[bytes]]


async def _define_key_schema(ask: Asking, reader: Reader) -> bytes:
    facts = await ask.table(reader.name())
    return answers.key_schema(facts.schema)


async def _define_attribute_list(ask: Asking, reader: Reader) -> bytes:
    return answers.names(ask.serving.lists.names(ask.cx, reader.integer()))


async def _define_attribute_list_id(ask: Asking, reader: Reader) -> bytes:
    names = tuple(read_names(reader))
    _judge_writer(ask)
    return answers.number(await ask.serving.lists.id(ask.cx, names))


def _judge_writer(ask: Asking) -> None:
    """Lists are made for what is going to be put, and are kept: raises AccessDeniedException for who may put nothing."""
    refused: AwsError | None = None
    for action, enclosing in _WRITES:
        try:
            ask.judge(action, enclosing)
            return
        except AwsError as error:
            refused = refused or error
    assert refused is not None
    raise refused


_WRITES = (("PutItem", ""), ("BatchWriteItem", ""), ("PutItem", "TransactWriteItems"))


def _check_account(serving: Serving, caller: Context) -> None:
    """Clusters are their account's alone. Raises AccessDeniedException."""
    if caller.principal.account != serving.cluster.account:
        raise AwsError(
            f"User: {caller.principal.arn} is not authorized to access the cluster",
            code="AccessDeniedException",
        )


async def _endpoints(ask: Asking, reader: Reader) -> bytes:
    """One endpoint, however many nodes: they share a cache, and their addresses are one."""
    cluster = ask.serving.cluster
    address = bytes(int(part) for part in ADDRESS.split("."))
    zone = cluster.nodes[0].zone if cluster.nodes else zone_of(cluster.region, 0)
    return answers.endpoint(1, ADDRESS, address, cluster.port, zone, int(cluster.created_at))


OPERATIONS: Mapping[int, Operation] = {
    n.ENDPOINTS: _endpoints,
    n.DEFINE_KEY_SCHEMA: _define_key_schema,
    n.DEFINE_ATTRIBUTE_LIST: _define_attribute_list,
    n.DEFINE_ATTRIBUTE_LIST_ID: _define_attribute_list_id,
    n.GET_ITEM: reads.get_item,
    n.PUT_ITEM: writes.put_item,
    n.UPDATE_ITEM: writes.update_item,
    n.DELETE_ITEM: writes.delete_item,
    n.QUERY: queries.query,
    n.SCAN: queries.scan,
    n.BATCH_GET_ITEM: reads.batch_get_item,
    n.BATCH_WRITE_ITEM: writes.batch_write_item,
    n.TRANSACT_GET_ITEMS: transactions.transact_get_items,
    n.TRANSACT_WRITE_ITEMS: transactions.transact_write_items,
}


def answer_now(serving: Serving, caller: Context, method: int, reader: Reader) -> bytes | None:
    """The answer where nothing has to be waited for, else None (and nothing was done)."""
    if method != n.GET_ITEM:
        return None
    try:
        return reads.get_kept_item(serving, caller, reader)
    except Exception as error:
        return refusal(error, caller.new_id())


async def answer(serving: Serving, caller: Context, method: int, reader: Reader) -> bytes:
    """The answer to a request."""
    request_id = caller.new_id()
    try:
        _check_account(serving, caller)
        role = await serving.role()
        cx = caller.acting(role, account=serving.cluster.account)
        request_id = cx.scope.request_id
        return await OPERATIONS[method](Asking(serving, caller, cx), reader)
    except Exception as error:
        if isinstance(error, AwsError) and error.code in _TABLE_CHANGED:
            serving.tables.clear()
        if isinstance(error, AwsError) and error.code in _SESSION_ENDED:
            serving.forget_role()
        return refusal(error, request_id)


_SESSION_ENDED = ("InvalidClientTokenId", "ExpiredTokenException", "UnrecognizedClientException")
_TABLE_CHANGED = ("ValidationException", "ResourceNotFoundException")
"""After these the key of the table is asked for again: it may be another table by now."""


def refusal(error: Exception, request_id: str) -> bytes:
    """What the client is told of an error; of our own bugs nothing."""
    if isinstance(error, MalformedFrame | RecursionError):
        message = f"The request could not be read: {error}"
        return failure(MALFORMED, message, request_id, "ValidationException", 400)
    shown = as_aws_error(error)
    if shown is not error:
        log.error("a request to DAX failed (request %s)", request_id, exc_info=error)
    reasons = error.reasons if isinstance(error, transactions.Cancelled) else None
    codes = codes_of(shown.code, shown.status)
    return failure(codes, shown.message, request_id, shown.code, shown.status, reasons)
