"""Where functions run: sandboxes forked from a zygote, kept by a pool.

>>> pool = Pool(PoolSettings(work=folder), clock=SystemClock(), randomness=SystemRandomness())
>>> await pool.start()
>>> outcome = await pool.invoke(spec, b"{}", Invocation(request_id=id, arn=arn))
"""

from serein.runtimes.pool import Pool, PoolSettings, probe_isolation
from serein.runtimes.spec import (
    Credentials,
    FunctionSpec,
    Invocation,
    Isolation,
    LogLine,
    Outcome,
    PoolBusy,
    RuntimeUnavailable,
)

__all__ = [
    "Credentials",
    "FunctionSpec",
    "Invocation",
    "Isolation",
    "LogLine",
    "Outcome",
    "Pool",
    "PoolBusy",
    "PoolSettings",
    "RuntimeUnavailable",
    "probe_isolation",
]
