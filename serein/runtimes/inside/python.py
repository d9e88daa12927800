"""The Python runtime: imports the handler, then answers one event after the other.

Errors have the shape and the words of AWS's runtime interface client:
https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

from __future__ import annotations

import decimal
import importlib
import importlib.machinery
import json
import logging
import math
import os
import re
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol

from serein.runtimes.inside import frames, snapshots
from serein.runtimes.inside.context import LambdaContext

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB and what API Gateway wraps around.
RESPONSE_BYTES_MAX = 6_291_556
CHUNK_BYTES_MAX = 1024 * 1024
_LOG_FRAME = b"\xa5\x5a\x00\x03"
_HARD_SPACE = "\u00a0"
_RAISED_IN_RUNTIME = (
    __file__,
    "<frozen importlib._bootstrap>",
    "<frozen importlib._bootstrap_external>",
)

# What AWS's client shows of a handler that could not even be called.
_CALL = (
    '  File "/var/runtime/bootstrap.py", line 178, in handle_event_request\n'
    "    response = request_handler(event, lambda_context)\n"
)

Handler = Callable[[Any, LambdaContext], Any]
Dumps = Callable[[Any], bytes]


class Peak(Protocol):
    """Peak memory of this process, KiB."""

    def __call__(self) -> int: ...


class Fault(Exception):
    """An error of the runtime's own, with AWS's type and words."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


class LogSink:
    """The function's log: messages that keep their line breaks, and the request they belong to."""

    def __init__(self, descriptor: int) -> None:
        self.request_id = ""
        self.is_json = False
        self._descriptor = descriptor

    def write(self, message: str) -> None:
        """Write one event; a frame tells its length and its time (microseconds)."""
        sys.stdout.flush()
        data = message.encode("utf-8", "backslashreplace")
        header = _LOG_FRAME + len(data).to_bytes(4, "big")
        header += (time.time_ns() // 1000).to_bytes(8, "big")
        view = memoryview(header + data)
        while view:
            view = view[os.write(self._descriptor, view) :]


class LambdaLoggerHandler(logging.Handler):
    """What AWS puts on the root logger."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__()
        self._sink = sink
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n",
            "%Y-%m-%dT%H:%M:%S",
        )
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = self._sink.request_id
        self._sink.write(self.format(record))


class JsonFormatter(logging.Formatter):
    """Messages as JSON objects, with what was added to them.

    https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html#python-logging-advanced-JSON
    """

    def __init__(self, sink: LogSink) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._sink = sink

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            kind, error, trace = record.exc_info
            told["stackTrace"] = traceback.format_list(traceback.extract_tb(trace))
            told["errorType"] = kind.__name__ if kind else None
            told["errorMessage"] = str(error)
            told["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        if self._sink.request_id:
            told["requestId"] = self._sink.request_id
        for name, value in record.__dict__.items():
            if name not in _STANDARD and name not in told and not name.startswith("_"):
                told[name] = value
        return json.dumps(told, default=str) + "\n"


_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "aws_request_id",
    "taskName",
}
_LEVELS = {"TRACE": logging.NOTSET + 5, "WARN": logging.WARNING, "FATAL": logging.CRITICAL}


def _set_up_log(sink: LogSink) -> None:
    root = logging.getLogger()
    handler = LambdaLoggerHandler(sink)
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        handler.setFormatter(JsonFormatter(sink))
        sink.is_json = True
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        known = _LEVELS.get(level)
        root.setLevel(getattr(logging, level, logging.INFO) if known is None else known)
    root.addHandler(handler)


def serve(
    channel: frames.FrameSocket,
    handler_name: str,
    peak: Peak,
    dumps: Dumps,
    snapshot: Callable[[frames.FrameSocket], frames.FrameSocket] | None = None,
) -> None:
    """Import the handler and answer events until the pool closes the channel.

    With `snapshot` what is initialised becomes a template: the function returns, in each process forked from it, the
    channel of that process.
    """
    sink = LogSink(1)
    _set_up_log(sink)
    try:
        handler = find_handler(handler_name)
        if snapshot is not None:
            snapshots.run_before_snapshot()
    except Fault as fault:
        _fail_init(channel, sink, peak, error_payload(fault.message, fault.kind, fault.trace, ""))
        return
    except Exception as error:
        _fail_init(channel, sink, peak, _raised_payload(error, ""))
        return
    sys.stdout.flush()
    channel.send(frames.READY, b"", peak())
    if snapshot is not None:
        channel = snapshot(channel)
        try:
            snapshots.run_after_restore()
        except Exception as error:
            payload = {**_raised_payload(error, ""), "errorType": "Runtime.AfterRestoreError"}
            _fail_init(channel, sink, peak, payload)
            return
        channel.send(frames.READY, b"", peak())
    _answer_events(channel, handler, sink, peak, dumps)


def _answer_events(
    channel: frames.FrameSocket, handler: Handler, sink: LogSink, peak: Peak, dumps: Dumps
) -> None:
    process = os.getpid()
    while True:
        try:
            _, meta, payload = channel.receive()
        except frames.Closed:
            return
        kind, body = _handle(handler, json.loads(meta), payload, sink, dumps, channel)
        if os.getpid() != process:
            # The handler forked and both came back: only the first may answer.
            os._exit(0)
        sys.stdout.flush()
        sys.stderr.flush()
        channel.send(kind, body, peak())


def rehearse(channel: frames.FrameSocket, dumps: Dumps) -> None:
    """Go once through what the first invocation will: a fork's memory is copied page by page where it is written first."""
    compile("def handler(event, context):\n    return event\n", "rehearsal.py", "exec")
    importlib.machinery.PathFinder.find_spec("rehearsal", [os.path.dirname(__file__)])
    sink = LogSink(1)
    handler = LambdaLoggerHandler(sink)
    root = logging.getLogger()
    root.addHandler(handler)
    facts = {"id": "0" * 36, "deadline_ms": 0, "arn": "", "trace": "Root=1", "stream": False}
    facts = json.loads(json.dumps({**facts, "environment": dict.fromkeys(map(str, range(40)), "")}))
    os.environ.update(facts["environment"])
    _handle(lambda event, context: event, facts, b'{"a": [1, "b"]}', sink, dumps, channel)
    os.environ.clear()
    root.removeHandler(handler)


def find_handler(name: str) -> Handler:
    """The function that `module.function` names, imported. Raises Fault, or what the module raised."""
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        message = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", message)
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise Fault("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, trace) from error
    try:
        handler: Handler = getattr(module, function_name)
    except AttributeError:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None
    return handler


def error_payload(message: str, kind: str, trace: list[str], request_id: str) -> dict[str, object]:
    """What a caller is answered for a failed invocation."""
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


def _handle(
    handler: Handler,
    facts: dict[str, Any],
    payload: bytes | bytearray,
    sink: LogSink,
    dumps: Dumps,
    channel: frames.FrameSocket,
) -> tuple[int, bytes]:
    request_id: str = facts["id"]
    sink.request_id = request_id
    if facts["trace"]:
        os.environ["_X_AMZN_TRACE_ID"] = facts["trace"]
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        context = _make_context(facts)
        result = handler(_unmarshalled(payload), context)
        if isinstance(result, types.GeneratorType):
            return frames.RESULT, _streamed(result, facts["stream"], channel)
        body = _marshalled(result, dumps)
    except Fault as fault:
        failure = error_payload(fault.message, fault.kind, fault.trace, request_id)
    except Exception as error:
        failure = _raised_payload(error, request_id)
    else:
        if len(body) <= RESPONSE_BYTES_MAX:
            return frames.RESULT, body
        message = (
            f"Response payload size ({len(body)} bytes) exceeded maximum allowed payload size"
            f" ({RESPONSE_BYTES_MAX} bytes)."
        )
        # The platform says this, not the runtime: two members only.
        too_large = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        return frames.ERROR, json.dumps(too_large).encode()
    _log_failure(sink, failure)
    return frames.ERROR, json.dumps(failure).encode("utf-8", "backslashreplace")[
        :RESPONSE_BYTES_MAX
    ]


def _streamed(pieces: Iterator[Any], streams: bool, channel: frames.FrameSocket) -> bytes:
    """A generator's pieces: sent as they come to a caller who takes a stream, else gathered into one answer."""
    if not streams:
        return b"".join(_piece(piece) for piece in pieces)
    channel.send(frames.STREAM, b"application/octet-stream")
    for piece in pieces:
        data = _piece(piece)
        for at in range(0, len(data), CHUNK_BYTES_MAX):
            channel.send(frames.CHUNK, data[at : at + CHUNK_BYTES_MAX])
    return b""


def _piece(piece: Any) -> bytes:
    if isinstance(piece, (bytes, bytearray)):
        return bytes(piece)
    return piece.encode() if isinstance(piece, str) else json.dumps(piece).encode()


def _make_context(facts: dict[str, Any]) -> LambdaContext:
    try:
        return LambdaContext(facts)
    except (ValueError, AttributeError) as error:
        message = f"Unable to parse Client Context JSON: {error}"
        raise Fault("Runtime.LambdaContextUnmarshalError", message) from error


def _unmarshalled(payload: bytes | bytearray) -> Any:
    try:
        return json.loads(payload)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error


def _marshalled(result: Any, dumps: Dumps) -> bytes:
    if isinstance(result, bytes):
        return result
    try:
        return dumps(result)
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def encoder() -> Dumps:
    """JSON as AWS's runtime writes it: ASCII up to Python 3.11, Decimals as plain numbers."""
    mark = f"\x00{time.time_ns():x}:"
    numbers = re.compile(re.escape(json.dumps(mark)[:-1]) + r"([-+0-9.Ee]+|-?Infinity)\"")

    def plain(value: Any) -> Any:
        if isinstance(value, decimal.Decimal):
            # The encoder has no raw number: marked text, unquoted below.
            return math.nan if value.is_nan() else f"{mark}{value}"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    in_ascii = sys.version_info < (3, 12)
    encode = json.JSONEncoder(default=plain, ensure_ascii=in_ascii).encode
    start = json.dumps(mark)[1:-1]

    def dumps(value: Any) -> bytes:
        try:
            text = encode(value)
        except TypeError:
            text = encode(_without_bytes(value))
        if start in text:
            text = numbers.sub(r"\1", text)
        return text.encode("utf-8")

    return dumps


def _without_bytes(value: Any) -> Any:
    """The same with texts for bytes, in keys, too: AWS's encoder takes them for UTF-8."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {
            key.decode() if isinstance(key, bytes) else key: _without_bytes(found)
            for key, found in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_bytes(found) for found in value]
    return value


def _raised_payload(error: BaseException, request_id: str) -> dict[str, object]:
    # Without the marks below the lines, as AWS has them.
    frames = [(f.filename, f.lineno or 0, f.name, f.line) for f in _own_frames(error.__traceback__)]
    lines = traceback.format_list(frames) or [_CALL]
    return error_payload(str(error), type(error).__name__, lines, request_id)


def _own_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """The stack from the function's own code on."""
    stack = traceback.extract_tb(trace)
    for index, frame in enumerate(stack):
        if frame.filename != __file__:
            return list(stack[index:])
    return []


def _fail_init(
    channel: frames.FrameSocket, sink: LogSink, peak: Peak, payload: dict[str, object]
) -> None:
    _log_failure(sink, payload)
    channel.send(frames.INIT_ERROR, json.dumps(payload).encode("utf-8", "backslashreplace"), peak())


def _log_failure(sink: LogSink, payload: dict[str, Any]) -> None:
    if sink.is_json:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sink.write(json.dumps({"timestamp": moment, "level": "ERROR", **payload}) + "\n")
        return
    message = payload["errorMessage"]
    lines = [f"[ERROR] {payload['errorType']}" + (f": {message}" if message else "")]
    lines.append("Traceback (most recent call last):")
    for element in payload["stackTrace"]:
        for line in element.splitlines():
            text = line.lstrip(" ")
            lines.append(_HARD_SPACE * (len(line) - len(text)) + text)
    sink.write("\n".join(lines))
