"""Functions that do all that a function should not, and what their callers are to be answered.

Error types: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html and recordings of the real service.
"""

from __future__ import annotations

from typing import NamedTuple

GOOD = """
import os, tempfile
count = 0
def handler(event, context):
    global count
    count += 1
    with open(tempfile.gettempdir() + "/mine", "w") as file:
        file.write("x" * 1000)
    return {"sum": sum(event["numbers"]), "pid": os.getpid()}
"""


_EXIT = "Runtime.ExitError"
_TIME = "Sandbox.Timedout"


class Bad(NamedTuple):
    """A function's source, and the error types that are right for it."""

    name: str
    source: str
    types: tuple[str, ...]
    handler: str = "app.handler"
    timeout_s: float = 5.0


def _body(name: str, lines: str, *types: str, timeout_s: float = 0.0) -> Bad:
    indented = "".join(f"    {line}\n" for line in lines.splitlines())
    head = "import os, signal, sys, threading, time\ndef handler(event, context):\n"
    if not timeout_s:
        timeout_s = 0.5 if _TIME in types else 5.0
    return Bad(name, head + indented, types, timeout_s=timeout_s)


BAD = (
    Bad("no module", "", ("Runtime.ImportModuleError",), handler="other.handler"),
    Bad("no handler", "", ("Runtime.HandlerNotFound",)),
    Bad("an import error", "import nothing_of_the_sort", ("Runtime.ImportModuleError",)),
    Bad("a syntax error", "def handler(:", ("Runtime.UserCodeSyntaxError",)),
    Bad("raises at import", "raise ValueError('at import')", ("ValueError",)),
    Bad("exits at import", "import os\nos._exit(3)", (_EXIT,)),
    _body("raises", "raise KeyError('x')", "KeyError"),
    _body("exit code", "sys.exit(7)", _EXIT),
    _body("exits at once", "os._exit(0)", _EXIT),
    _body("segfault", "import ctypes\nctypes.string_at(0)", _EXIT),
    _body("aborts", "os.abort()", _EXIT),
    _body("kills itself", "os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(5)", _EXIT, _TIME),
    _body("kills everybody", "os.kill(-1, signal.SIGKILL)\nos.kill(0, signal.SIGKILL)\ntime.sleep(5)", _EXIT, _TIME, "ProcessLookupError"),
    _body("stops itself", "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(5)", _TIME),
    _body("sleeps", "time.sleep(60)", _TIME),
    _body("ignores signals", "for n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\ntime.sleep(60)", _TIME),
    _body("spins", "while True: pass", _TIME),
    _body("endless output", "while True: print('x' * 100_000)", _TIME),
    _body("endless lines", "while True: print('x')", _TIME),
    _body("fork bomb", "while True:\n    try: os.fork()\n    except OSError: pass", _TIME, _EXIT, "OSError", "BlockingIOError"),
    _body("threads", "while True: threading.Thread(target=time.sleep, args=(60,)).start()", "RuntimeError", _TIME, _EXIT),
    _body("memory hog", "held = []\nwhile True: held.append(b'x' * 10_000_000)", _EXIT, "MemoryError", timeout_s=10.0),
    _body("much at once", "return len(bytearray(20_000_000_000))", "MemoryError", _EXIT, timeout_s=10.0),
    _body("fills its disk", "with open('/tmp/x', 'wb') as f:\n    while True: f.write(b'x' * 10_000_000)", "OSError", _EXIT, timeout_s=10.0),
    _body("huge answer", "return 'x' * 7_000_000", "Function.ResponseSizeTooLarge", timeout_s=5.0),
    _body("no JSON", "return {1, 2}", "Runtime.MarshalError"),
    _body("a circle", "x = []\nx.append(x)\nreturn x", "Runtime.MarshalError"),
    _body("no end of recursion", "return handler(event, context)", "RecursionError"),
    _body("closes descriptors", "os.closerange(0, 256)\nreturn 1", _EXIT),
    _body("speaks nonsense", "os.write(3, os.urandom(4096))\ntime.sleep(60)", _EXIT, _TIME),
    _body("half an answer", "os.write(3, b'\\x0c\\0\\0\\0\\0\\0\\0\\0\\xff\\xff\\0\\0\\0\\0\\0\\0half')\nos._exit(0)", _EXIT),
    _body("an answer of its own", "os.write(3, b'\\x0c\\0\\0\\0\\0\\0\\0\\0\\x02\\0\\0\\0\\0\\0\\0\\0{}' * 50)\nreturn 1", "", _EXIT),
    _body("leaves somebody behind", "import subprocess\nsubprocess.Popen(['/bin/sleep', '300'])\nos._exit(1)", _EXIT),
)  # fmt: skip
