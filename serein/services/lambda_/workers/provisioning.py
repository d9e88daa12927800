"""Provisioned concurrency at work: environments made ahead, and kept.

https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.kernel.operations import Context
from serein.services.lambda_.access import find_function
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.operations.provisioned import told
from serein.services.lambda_.records import (
    PROVISIONED,
    PROVISIONED_DOORBELL,
    Function,
    ProvisionedConcurrency,
)
from serein.services.lambda_.rules.names import FunctionName

_LOOK_AGAIN_S = 30.0


class ProvisioningWorker:
    """Has the pool keep what the configurations say."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._kept: dict[str, Function] = {}  # qualified ARN → what environments are kept of

    async def run(self, cx: Context) -> None:
        """For ever: when something changes, and from time to time, since environments end."""
        while True:
            waiter = cx.listen(PROVISIONED_DOORBELL)
            until = cx.clock.now() + _LOOK_AGAIN_S
            configs = list(cx.read().scan(PROVISIONED))
            await self._adjust(cx, configs)
            if not configs:
                until += 3600.0
            await cx.wait_for_ring(PROVISIONED_DOORBELL, until=until, waiter=waiter)

    async def _adjust(self, cx: Context, configs: list[ProvisionedConcurrency]) -> None:
        wanted: dict[str, tuple[Function, int]] = {}
        told_of: list[tuple[ProvisionedConcurrency, Function]] = []
        for config in configs:
            name = FunctionName(config.account, config.region, config.function, config.qualifier)
            try:
                function = find_function(cx.read(), name)
            except AwsError:
                continue
            key = f"{function.qualified_arn}:{function.identity}"
            _, before = wanted.get(key, (function, 0))
            wanted[key] = (function, before + config.requested)
            told_of.append((config, function))
        for key, function in list(self._kept.items()):
            if key not in wanted:
                await self._functions.keep_ready(cx, function, 0)
                del self._kept[key]
        ready: dict[str, tuple[int, str]] = {}
        for key, (function, count) in wanted.items():
            self._kept[key] = function
            try:
                ready[key] = await self._functions.keep_ready(cx, function, count)
            except AwsError as error:
                ready[key] = (0, error.message)
        for config, function in told_of:
            count, reason = ready[f"{function.qualified_arn}:{function.identity}"]
            allocated = min(count, config.requested)
            possible = self._functions.ready_max
            if (allocated, reason) != (config.allocated, config.reason) or not _is_settled(config):
                await cx.transact(told, config, allocated, possible, reason)


def _is_settled(config: ProvisionedConcurrency) -> bool:
    return config.status != "IN_PROGRESS"
