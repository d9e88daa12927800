"""Queues: creating, finding, listing, purging, deleting."""

from __future__ import annotations

import msgspec

from serein.kernel.operations import Read, Tx, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token, take_page
from serein.services.sqs.access import find_queue, queue_named, queue_of, url_of
from serein.services.sqs.model import (
    CreateQueueRequest,
    CreateQueueResult,
    DeleteQueueRequest,
    GetQueueAttributesRequest,
    GetQueueAttributesResult,
    GetQueueUrlRequest,
    GetQueueUrlResult,
    ListDeadLetterSourceQueuesRequest,
    ListDeadLetterSourceQueuesResult,
    ListQueuesRequest,
    ListQueuesResult,
    PurgeQueueRequest,
    QueueDoesNotExist,
    QueueNameExists,
    SetQueueAttributesRequest,
)
from serein.services.sqs.operations.tags import check_tags
from serein.services.sqs.records import QUEUES, SEQUENCES, Queue
from serein.services.sqs.rules import fifo, standard
from serein.services.sqs.rules.attributes import (
    READ_ONLY,
    check_name,
    describe,
    difference,
    invalid_attribute,
    unknown_attribute,
    with_attributes,
)
from serein.services.sqs.rules.redrive import sources_of
from serein.services.sqs.rules.refusals import InvalidParameterValue, invalid_value

_PAGE_MAX = 1000


@operation("CreateQueue", on=queue_named)
def create_queue(tx: Tx, request: CreateQueueRequest) -> CreateQueueResult:
    """Create a queue; the same again is no error, other attributes for the same name are."""
    name = request["QueueName"]
    given = dict(request.get("Attributes") or {})
    fifo_text = given.get("FifoQueue")
    if fifo_text is not None and fifo_text.lower() not in ("true", "false"):
        raise invalid_attribute("FifoQueue")
    is_fifo = fifo_text is not None and fifo_text.lower() == "true"
    check_name(name, fifo_queue=is_fifo)
    for attribute in given:
        if attribute in READ_ONLY:
            raise unknown_attribute(attribute)
    fresh = Queue(
        account=tx.account,
        region=tx.region,
        name=name,
        id=tx.new_id(),
        created_at=tx.now,
        modified_at=tx.now,
        fifo=is_fifo,
    )
    wanted = with_attributes(tx, fresh, given)
    known = tx.get(QUEUES, tx.account, tx.region, name)
    if known is not None:
        differing = difference(known, wanted, given)
        if differing:
            raise QueueNameExists(
                "A queue already exists with the same name and a different value for attribute "
                f"{differing}"
            )
        return {"QueueUrl": url_of(tx, known)}
    tags = request.get("tags") or {}
    check_tags(name, tags, {})
    tx.put(QUEUES, wanted)
    tx.tag(wanted.arn, tags)
    return {"QueueUrl": url_of(tx, wanted)}


@operation("DeleteQueue", on=queue_of)
def delete_queue(tx: Tx, request: DeleteQueueRequest) -> None:
    """Delete a queue and its messages."""
    queue = find_queue(tx, request["QueueUrl"])
    tx.delete(QUEUES, queue.account, queue.region, queue.name)
    standard.purge(tx, queue)
    if queue.fifo:
        fifo.purge(tx, queue)
        fifo.forget(tx, queue)
        tx.delete(SEQUENCES, queue.id)
    tx.untag(queue.arn)
    # Who polls it learns at once that it is gone.
    tx.ring(queue.arn)


@operation("GetQueueUrl", on=queue_named)
def get_queue_url(read: Read, request: GetQueueUrlRequest) -> GetQueueUrlResult:
    """The URL of a queue by name."""
    account = request.get("QueueOwnerAWSAccountId") or read.account
    queue = read.get(QUEUES, account, read.region, request["QueueName"])
    if queue is None:
        raise QueueDoesNotExist("The specified queue does not exist.")
    return {"QueueUrl": url_of(read, queue)}


def _page_size(given: int | None) -> int:
    if given is None:
        return _PAGE_MAX
    if not 1 <= given <= _PAGE_MAX:
        raise InvalidParameterValue(
            f"Value {given} for parameter MaxResults is invalid. Reason: MaxResults must be an "
            f"integer between 1 and {_PAGE_MAX}."
        )
    return given


def _start_after(listing: str, token: str | None) -> str:
    if not token:
        return ""
    try:
        (name,) = decode_token(listing, token)
    except (InvalidPageToken, ValueError):
        raise invalid_value(token, "NextToken", "Invalid token.") from None
    return str(name)


@operation("ListQueues")
def list_queues(read: Read, request: ListQueuesRequest) -> ListQueuesResult:
    """The account's queues in the region, by name."""
    prefix = request.get("QueueNamePrefix") or ""
    size = _page_size(request.get("MaxResults"))
    listing = f"sqs.queues:{prefix}"
    after = _start_after(listing, request.get("NextToken"))
    queues = (
        queue
        for queue in read.scan(
            QUEUES,
            (read.account, read.region),
            start=(after or prefix,),
            start_after=bool(after),
        )
        if queue.name.startswith(prefix)
    )
    page, token = take_page(queues, size, lambda last: encode_token(listing, last.name))
    result: ListQueuesResult = {}
    if page:
        result["QueueUrls"] = [url_of(read, queue) for queue in page]
    if token and "MaxResults" in request:
        result["NextToken"] = token
    return result


@operation("ListDeadLetterSourceQueues", on=queue_of)
def list_dead_letter_source_queues(
    read: Read, request: ListDeadLetterSourceQueuesRequest
) -> ListDeadLetterSourceQueuesResult:
    """The queues that send their dead letters to this one."""
    queue = find_queue(read, request["QueueUrl"])
    size = _page_size(request.get("MaxResults"))
    listing = f"sqs.sources:{queue.arn}"
    after = _start_after(listing, request.get("NextToken"))
    sources = [source for source in sources_of(read, queue) if source.name > after]
    page, token = take_page(sources, size, lambda last: encode_token(listing, last.name))
    result: ListDeadLetterSourceQueuesResult = {
        "queueUrls": [url_of(read, source) for source in page]
    }
    if token and "MaxResults" in request:
        result["NextToken"] = token
    return result


@operation("GetQueueAttributes", on=queue_of)
def get_queue_attributes(
    read: Read, request: GetQueueAttributesRequest
) -> GetQueueAttributesResult:
    """The attributes asked for; none when none are asked for."""
    queue = find_queue(read, request["QueueUrl"])
    described = describe(read, queue, request.get("AttributeNames") or [])
    return {"Attributes": described} if described else {}


@operation("SetQueueAttributes", on=queue_of)
def set_queue_attributes(tx: Tx, request: SetQueueAttributesRequest) -> None:
    """Change attributes; an empty text takes one back to its default."""
    queue = find_queue(tx, request["QueueUrl"])
    given = request["Attributes"]
    for name in given:
        if name in READ_ONLY:
            raise unknown_attribute(name)
    changed = with_attributes(tx, queue, given)
    tx.put(QUEUES, msgspec.structs.replace(changed, modified_at=tx.now))


@operation("PurgeQueue", on=queue_of)
def purge_queue(tx: Tx, request: PurgeQueueRequest) -> None:
    """Delete all messages of a queue."""
    queue = find_queue(tx, request["QueueUrl"])
    (fifo if queue.fifo else standard).purge(tx, queue)
