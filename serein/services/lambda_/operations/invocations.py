"""Invoke: now, later, or not at all.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import binascii
from types import ModuleType

import orjson

from serein.kernel.operations import Context, Tx, operation
from serein.kernel.spans import Link
from serein.runtimes.spec import Invocation, Outcome, PoolBusy, RuntimeUnavailable
from serein.services.lambda_ import tracing
from serein.services.lambda_.access import (
    alias_or_none,
    find_function,
    name_of,
    qualified_function_of,
)
from serein.services.lambda_.concurrency import throttled
from serein.services.lambda_.functions import Functions, whole
from serein.services.lambda_.model import (
    InvalidRequestContentException,
    InvalidRuntimeException,
    RecursiveInvocationException,
    RequestTooLargeException,
)
from serein.services.lambda_.records import (
    ASYNC_DOORBELL,
    ASYNC_QUEUE,
    SETTINGS,
    Answer,
    AsyncEvent,
    Function,
    Request,
)
from serein.services.lambda_.rules.lineage import ROUNDS_MAX, continued, new_trace
from serein.services.lambda_.rules.names import FunctionName
from serein.services.lambda_.streaming import StreamedAnswer

PAYLOAD_BYTES_MAX = 6_291_456
ASYNC_PAYLOAD_BYTES_MAX = 1_048_576
CLIENT_CONTEXT_BYTES_MAX = 3583


def operations(functions: Functions) -> ModuleType:
    """Invoke and InvokeAsync, over these functions."""
    module = ModuleType(__name__)

    @operation("Invoke", on=qualified_function_of, action="lambda:InvokeFunction")
    async def invoke(cx: Context, request: Request) -> Answer:
        """Run a function and answer what it answers; or accept the event (`Event`); or only check (`DryRun`)."""
        kind = request.get("InvocationType", "RequestResponse")
        limit = ASYNC_PAYLOAD_BYTES_MAX if kind == "Event" else PAYLOAD_BYTES_MAX
        payload = await whole(request.get("Payload", b""), limit)
        if payload is None:
            raise RequestTooLargeException(
                f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
                fields={"Type": "User"},
            )
        context = client_context_of(request.get("ClientContext"))
        name = name_of(cx.read(), request)
        function = find_function(cx.read(), name)
        payload = payload or b"{}"
        check_json(payload)
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            trace = tracing.trace_of_event(cx, function)
            await cx.transact(accept_event, name, payload, cx.scope.request_id, context, trace)
            return {"StatusCode": 202, "Payload": b""}
        want_tail = request.get("LogType") == "Tail"
        return await _run(cx, functions, name, payload, context, want_tail)

    @operation("InvokeAsync", on=qualified_function_of, action="lambda:InvokeFunction")
    async def invoke_async(cx: Context, request: Request) -> Answer:
        """The older way to have an event accepted."""
        payload = await whole(request.get("InvokeArgs", b""), ASYNC_PAYLOAD_BYTES_MAX)
        if payload is None:
            raise RequestTooLargeException(
                f"Request must be smaller than {ASYNC_PAYLOAD_BYTES_MAX} bytes for the"
                " InvokeAsync operation",
                fields={"Type": "User"},
            )
        name = name_of(cx.read(), request)
        trace = tracing.trace_of_event(cx, find_function(cx.read(), name))
        check_json(payload or b"{}")
        request_id = cx.scope.request_id
        await cx.transact(accept_event, name, payload or b"{}", request_id, None, trace)
        return {"Status": 202}

    module.__dict__.update(invoke=invoke, invoke_async=invoke_async)
    return module


async def _run(
    cx: Context,
    functions: Functions,
    name: FunctionName,
    payload: bytes,
    client_context: str | None,
    want_tail: bool,
) -> Answer:
    version, outcome = await run_function(
        cx, functions, name, payload, cx.scope.request_id, client_context, want_tail
    )
    answer: Answer = {
        "StatusCode": 200,
        "ExecutedVersion": version,
        "Payload": outcome.payload,
    }
    if outcome.error is not None:
        answer["FunctionError"] = "Unhandled"
    if want_tail:
        answer["LogResult"] = base64.b64encode(outcome.tail).decode()
    return answer


async def run_function(
    cx: Context,
    functions: Functions,
    name: FunctionName,
    payload: bytes,
    request_id: str,
    client_context: str | None = None,
    want_tail: bool = False,
    *,
    trace: str = "",
    attempt: tracing.Attempt | None = None,
    links: tuple[Link, ...] = (),
    answer: StreamedAnswer | None = None,
) -> tuple[str, Outcome]:
    """The version that ran, and its outcome. Raises AwsError when it could not be run.

    `trace` is the header of who called (default: the request's own); `attempt` says that an accepted event is run, and `links`
    what else led to it; `answer` is given a streamed answer as it comes.
    """
    function = find_function(cx.read(), _routed(cx, name))
    trace = tracing.decided(cx, function, trace or cx.scope.trace)
    if not trace:
        trace = new_trace(cx.now, cx.randomness.token(20), function.arn)
    else:
        trace = _continued(cx, function, trace)
    spans = tracing.begin(cx, function, trace, request_id, attempt, links)
    invocation = Invocation(
        request_id=request_id,
        arn=name.qualified_arn,
        client_context=client_context,
        trace_header=trace if spans is None else spans.header,
        want_tail=want_tail,
        want_phases=spans is not None,
    )
    if answer is not None:
        answer.routed(function.version_text)
    if spans is None:
        outcome = await _invoked(cx, functions, function, payload, invocation, answer)
        return function.version_text, outcome
    try:
        outcome = await _invoked(cx, functions, function, payload, invocation, answer)
    except BaseException as error:
        spans.fail(error)
        raise
    spans.end(outcome)
    return function.version_text, outcome


async def _invoked(
    cx: Context,
    functions: Functions,
    function: Function,
    payload: bytes,
    invocation: Invocation,
    answer: StreamedAnswer | None,
) -> Outcome:
    try:
        return await functions.invoke(cx, function, payload, invocation, answer)
    except PoolBusy as error:
        raise throttled("ConcurrentInvocationLimitExceeded") from error
    except RuntimeUnavailable as error:
        raise InvalidRuntimeException(str(error), fields={"Type": "User"}) from error


def _continued(cx: Context, function: Function, trace: str) -> str:
    """The trace header with this call in it. Raises RecursiveInvocationException for a loop without end."""
    header, rounds = continued(trace, function.arn)
    if rounds >= ROUNDS_MAX:
        settings = cx.read().get(SETTINGS, function.account, function.region, function.name)
        if settings is None or settings.recursive_loop == "Terminate":
            raise RecursiveInvocationException(
                "Lambda has detected the specified function being invoked in a recursive loop "
                "with other Amazon Web Services resources and stopped invocation.",
                fields={"Type": "User"},
            )
    return header


def _routed(cx: Context, name: FunctionName) -> FunctionName:
    """Of an alias with two versions, one by their weights."""
    if not name.qualifier or name.qualifier == "$LATEST" or name.qualifier.isdigit():
        return name
    alias = alias_or_none(cx.read(), name)
    if alias is None or not alias.weights:
        return name
    drawn = int.from_bytes(cx.randomness.token(4), "big") / 2**32
    for version, weight in alias.weights.items():
        if drawn < weight:
            return name._replace(qualifier=version)
        drawn -= weight
    return name


def accept_event(
    tx: Tx,
    name: FunctionName,
    payload: bytes,
    request_id: str,
    client_context: str | None,
    trace: str,
) -> None:
    """Keep an event for a function, and tell the worker."""
    event = AsyncEvent(
        due_at=tx.now,
        id=request_id,
        account=name.account,
        region=name.region,
        function=name.name,
        qualifier=name.qualifier,
        payload=payload,
        accepted_at=tx.now,
        client_context=client_context,
        trace=trace or None,
    )
    tx.put(ASYNC_QUEUE, event)
    tx.ring(ASYNC_DOORBELL)


def check_json(payload: bytes) -> None:
    """Raises InvalidRequestContentException for what is no JSON."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestContentException(
            "Could not parse request body into json: Could not parse payload into json: "
            f"{_parser_words(payload, error)}",
            fields={"Type": "User"},
        ) from error


def _parser_words(payload: bytes, error: orjson.JSONDecodeError) -> str:
    """As AWS's parser words it, as far as that can be told."""
    at = min(error.pos, max(len(payload) - 1, 0))
    character = payload[at : at + 1]
    where = (
        "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
        f"line: {error.lineno}, column: {error.colno}]"
    )
    expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
    if character and not (0x20 <= character[0] < 0x80 or character in b"\t\r\n"):
        told = f"Unexpected character ((CTRL-CHAR, code {character[0]})): expected a valid value"
        return f"{told} {expected}{where}"
    word = bytes(payload[at:].split()[:1][0] if payload[at:].split() else b"")
    if word[:1].isalpha():
        for index, byte in enumerate(word):
            if byte >= 0x80 and (byte < 0xC2 or byte > 0xF4):
                place = where.replace(f"column: {error.colno}", f"column: {at + index + 2}")
                return f"Invalid UTF-8 start byte 0x{byte:x}{place}"
        token = word.decode("ascii", "replace")
        return f"Unrecognized token '{token}': was expecting {expected}{where}"
    if at + 1 >= len(payload):
        return f"Unexpected end-of-input{where}"
    code = character[0] if character else 0
    return (
        f"Unexpected character ('{chr(code)}' (code {code})): expected a valid value "
        f"{expected}{where}"
    )


def client_context_of(text: str | None) -> str | None:
    """The JSON text in the X-Amz-Client-Context header. Raises InvalidRequestContentException."""
    if not text:
        return None
    try:
        decoded = base64.b64decode(text, validate=True)
        if len(decoded) > CLIENT_CONTEXT_BYTES_MAX or not isinstance(orjson.loads(decoded), dict):
            raise ValueError
    except (ValueError, binascii.Error) as error:
        raise InvalidRequestContentException(
            "Client context must be a valid Base64-encoded JSON object.", fields={"Type": "User"}
        ) from error
    return decoded.decode()
