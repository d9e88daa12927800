"""Signed requests sent over and over by wrk."""

from __future__ import annotations

import re
import subprocess
import tempfile
from typing import Any

from ends import Request

LUA = """
local reqs = {}
for line in io.lines("%s") do
  local f = loadstring("return " .. line)()
  reqs[#reqs + 1] = wrk.format(f.method, f.path, f.headers, f.body)
end
local i = 0
request = function() i = i %% #reqs + 1; return reqs[i] end
done = function(s, l, r)
  io.write(string.format("@@ %%f %%d %%d %%d %%f %%f\\n", s.requests / s.duration * 1e6, s.requests, s.errors.status, s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout, l:percentile(50) / 1000, l:percentile(99) / 1000))
end
"""


def lua_value(value: Any) -> str:
    """A value as Lua reads it."""
    if isinstance(value, dict):
        inner = ",".join(f"[{lua_value(k)}]={lua_value(v)}" for k, v in value.items())
        return f"{{{inner}}}"
    escaped = "".join(
        c if 32 <= ord(c) < 127 and c not in '"\\' else f"\\{ord(c):03d}" for c in str(value)
    )
    return f'"{escaped}"'


def wrk(url: str, requests: list[Request], seconds: int, conns: int) -> dict[str, float] | None:
    """Requests a second, the share that failed, and the median and 99th hundredth of the latency in ms; None when wrk failed."""
    host = re.sub(r"^https?://", "", url)
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/requests", "w") as lines:
            for request in requests:
                sent = dict(request, headers={"Host": host, **request["headers"]})
                sent["headers"].pop("Content-Length", None)
                lines.write(lua_value(sent) + "\n")
        with open(f"{folder}/script.lua", "w") as script:
            script.write(LUA % f"{folder}/requests")
        options = ["-t1", f"-c{conns}", f"-d{seconds}", "--timeout", "30"]
        told = subprocess.run(
            ["wrk", *options, "-s", f"{folder}/script.lua", url],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    found = re.search(r"^@@ (.*)$", told, re.M)
    if not found:
        return None
    rps, total, bad, broken, p50, p99 = map(float, found[1].split())
    return {"rps": rps, "bad": (bad + broken) / max(total, 1), "p50": p50, "p99": p99}
