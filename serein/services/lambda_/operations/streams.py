"""InvokeWithResponseStream: the answer comes as events, while the function writes it.

https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

from serein.kernel.operations import Context, operation
from serein.services.lambda_.access import find_function, name_of, qualified_function_of
from serein.services.lambda_.functions import Functions, whole
from serein.services.lambda_.model import RequestTooLargeException
from serein.services.lambda_.operations.invocations import (
    PAYLOAD_BYTES_MAX,
    check_json,
    client_context_of,
    run_function,
)
from serein.services.lambda_.records import Answer, Request
from serein.services.lambda_.streaming import StreamedAnswer


def operations(functions: Functions) -> ModuleType:
    """InvokeWithResponseStream, over these functions."""
    module = ModuleType(__name__)

    @operation("InvokeWithResponseStream", on=qualified_function_of, action="lambda:InvokeFunction")
    async def invoke_with_response_stream(cx: Context, request: Request) -> Answer:
        """Run a function and pass its answer on as it comes."""
        payload = await whole(request.get("Payload", b""), PAYLOAD_BYTES_MAX)
        if payload is None:
            raise RequestTooLargeException(
                f"Request must be smaller than {PAYLOAD_BYTES_MAX} bytes for the "
                "InvokeWithResponseStream operation",
                fields={"Type": "User"},
            )
        context = client_context_of(request.get("ClientContext"))
        name = name_of(cx.read(), request)
        find_function(cx.read(), name)
        payload = payload or b"{}"
        check_json(payload)
        if request.get("InvocationType") == "DryRun":
            return {"StatusCode": 204}
        answer = StreamedAnswer()
        want_tail = request.get("LogType") == "Tail"
        run = run_function(
            cx,
            functions,
            name,
            payload,
            cx.scope.request_id,
            context,
            want_tail,
            answer=answer,
        )
        await answer.start(run)
        return {
            "StatusCode": 200,
            "ExecutedVersion": answer.version,
            "ResponseStreamContentType": answer.content_type,
            "EventStream": _events(answer, want_tail),
        }

    module.__dict__.update(invoke_with_response_stream=invoke_with_response_stream)
    return module


async def _events(answer: StreamedAnswer, want_tail: bool) -> AsyncIterator[dict[str, Any]]:
    async for piece in answer.pieces():
        yield {"PayloadChunk": {"Payload": piece}}
    outcome = answer.outcome
    done: dict[str, Any] = {}
    if outcome is not None and outcome.error is not None:
        done["ErrorCode"] = outcome.error_type or "Unhandled"
        done["ErrorDetails"] = outcome.payload.decode("utf-8", "replace")
    if outcome is not None and want_tail:
        done["LogResult"] = base64.b64encode(outcome.tail).decode()
    yield {"InvokeComplete": done}
