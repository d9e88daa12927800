"""A bounded memory of checked requests, by the form of their expression parameters.

Programs send the same few expressions with other values. What depends on the texts, the names and the
*keys* of the values alone (syntax, mixtures, unused placeholders) is then judged once; per request remain the values.
It is a pure memo: it holds no state of anybody's, and what was refused is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

Plan = TypeVar("Plan")

PLANS_MAX = 2048


class Plans(Generic[Plan]):
    """Plans for one kind of request. `parameters` are those that a plan depends on besides the placeholders."""

    def __init__(self, parameters: tuple[str, ...], legacy: tuple[str, ...]) -> None:
        self._parameters = parameters
        self._legacy = legacy
        self._plans: dict[object, Plan] = {}

    def find(self, request: Mapping[str, Any], make: Callable[[Mapping[str, Any]], Plan]) -> Plan:
        """The plan for a request, made by `make(request)` (which may raise) the first time."""
        for name in self._legacy:
            if name in request:
                return make(request)
        names = request.get("ExpressionAttributeNames")
        values = request.get("ExpressionAttributeValues")
        get = request.get
        key = (
            *[get(name) for name in self._parameters],
            None if names is None else tuple(names.items()),
            None if values is None else tuple(values),
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = make(request)
            if len(self._plans) >= PLANS_MAX:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = plan
        return plan
