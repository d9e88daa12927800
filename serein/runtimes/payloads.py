"""The errors that the platform itself answers, when a runtime could not.

Words as recorded from AWS; https://docs.aws.amazon.com/lambda/latest/dg/invocation-retries.html
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import orjson

from serein.runtimes.images.programs import entrypoint_words as image_words
from serein.runtimes.spec import FunctionSpec

_NO_ENTRYPOINT = "Runtime.InvalidEntrypoint"
_SIGNAL_WORDS = {
    signal.SIGHUP: "hangup",
    signal.SIGINT: "interrupt",
    signal.SIGQUIT: "quit",
    signal.SIGILL: "illegal instruction",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGKILL: "killed",
    signal.SIGUSR1: "user defined signal 1",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGUSR2: "user defined signal 2",
    signal.SIGPIPE: "broken pipe",
    signal.SIGALRM: "alarm clock",
    signal.SIGTERM: "terminated",
    signal.SIGSYS: "bad system call",
    signal.SIGXFSZ: "file size limit exceeded",
}


def timed_out_message(request_id: str, timeout_s: float, now: float) -> str:
    """The line that is both answered and logged when a function used up its time."""
    return f"{timestamp(now)} {request_id} Task timed out after {timeout_s:.2f} seconds"


def timed_out_payload(message: str) -> bytes:
    """The answer to an invocation that used up its time."""
    return orjson.dumps({"errorMessage": message})


def exit_words(code: int | None) -> str:
    """How the platform describes the end of a runtime; `code` is negative for a signal, None if unknown."""
    if not code:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    word = next((w for s, w in _SIGNAL_WORDS.items() if s == -code), f"signal {-code}")
    return f"Runtime exited with error: signal: {word}"


def exit_payload(request_id: str, code: int | None) -> bytes:
    """The answer to an invocation whose runtime ended before it answered."""
    message = f"RequestId: {request_id} Error: {exit_words(code)}"
    return orjson.dumps({"errorType": "Runtime.ExitError", "errorMessage": message})


def entrypoint_words(code: int | None, folders: Sequence[str]) -> str | None:
    """What is wrong with a custom runtime that could not be executed; None when it could. Blocking, briefly.

    `code` is a shell's: 127 for a program that is not there, 126 for one that is none.
    """
    paths = [os.path.join(folder, "bootstrap") for folder in folders]
    found = next((path for path in paths if os.path.exists(path)), None)
    if code == 127 and found is None:
        return "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    if code == 126 and found is not None:
        why = "exec format error" if os.access(found, os.X_OK) else "permission denied"
        shown = "/var/task/bootstrap" if found == paths[0] else "/opt/bootstrap"
        return f"fork/exec {shown}: {why}"
    return None


def not_executed(code: int | None, spec: FunctionSpec) -> tuple[str, str] | None:
    """Why a custom runtime, or an image's program, could not be executed: error type and words; None when it could."""
    if spec.image is not None:
        return image_words(code, spec.image)
    wrong = entrypoint_words(code, (spec.code, *reversed(spec.layers)))
    return None if wrong is None else (_NO_ENTRYPOINT, wrong)


def entrypoint_payload(request_id: str, words: str, kind: str = _NO_ENTRYPOINT) -> bytes:
    """The answer to an invocation whose runtime could not be executed."""
    message = f"RequestId: {request_id} Error: {words}"
    return orjson.dumps({"errorType": kind, "errorMessage": message})


def crash_words(pid: int) -> tuple[str, str]:
    """What is said when extensions ended by themselves: the exit code of one, where the kernel still has it. Blocking, briefly.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-extensions-init-error
    """
    code = 0
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
        for child in children:
            with open(f"/proc/{child}/stat", encoding="utf-8", errors="replace") as file:
                told = file.read().rpartition(")")[2].split()
            if told[0] == "Z":
                code = int(told[-1]) >> 8 or code
    except (OSError, ValueError, IndexError):
        pass
    return "Extension.Crash", f"exit code {code}"


def too_large_payload(size: int, limit: int) -> bytes:
    """The answer to an invocation that answered too much."""
    message = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size"
        f" ({limit} bytes)."
    )
    return orjson.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message})


def timestamp(now: float) -> str:
    """ISO 8601 with milliseconds, UTC."""
    whole = int(now)
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        + f".{int((now - whole) * 1000):03d}Z"
    )
