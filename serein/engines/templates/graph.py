"""Who must be there before whom: the dependency graph of a deployment and its deterministic orders."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping

from serein.engines.templates.conditions import holds
from serein.engines.templates.errors import TemplateError
from serein.engines.templates.evaluate import evaluate
from serein.engines.templates.model import ResourceDefinition
from serein.engines.templates.references import if_arguments, references_in, unresolved
from serein.engines.templates.scope import Scope
from serein.engines.templates.values import Value

Dependencies = dict[str, tuple[str, ...]]


def dependencies_of(scope: Scope, resources: Mapping[str, ResourceDefinition]) -> Dependencies:
    """What each wanted resource needs first, in the order of its text.

    Only the branches of Fn::If that are taken count. Raises TemplateError where a resource refers to one whose
    condition does not hold, and for circles.
    """
    graph: Dependencies = {}
    for name, resource in resources.items():
        needed: dict[str, None] = {}
        for expression in (*resource.properties.values(), resource.metadata):
            for mentioned in _mentioned(scope, expression):
                if mentioned in resources:
                    needed[mentioned] = None
                elif mentioned in scope.absent:
                    raise unresolved([mentioned], "Resources")
        for mentioned in resource.depends_on:
            if mentioned in resources:
                needed[mentioned] = None
        graph[name] = tuple(needed)
    creation_order(graph)
    return graph


def mentioned_resources(expression: Value) -> Iterator[str]:
    """The names behind Ref, GetAtt and Sub in an expression (parameters among them)."""
    for reference in references_in(expression):
        if reference.kind != "Condition":
            yield reference.name


def _mentioned(scope: Scope, expression: Value) -> Iterator[str]:
    yield from mentioned_resources(taken(scope, expression))


def taken(scope: Scope, expression: Value) -> Value:
    """The expression with every Fn::If replaced by the branch that is taken."""
    if isinstance(expression, list):
        return [taken(scope, member) for member in expression]
    if isinstance(expression, dict):
        if len(expression) == 1 and "Fn::If" in expression:
            condition, yes, no = if_arguments(expression["Fn::If"])
            return taken(scope, yes if holds(scope, condition, evaluate) else no)
        return {key: taken(scope, member) for key, member in expression.items()}
    return expression


def creation_order(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Every name after what it needs; among the free ones, the order of the template. Raises on circles."""
    position = {name: index for index, name in enumerate(graph)}
    needed_by: dict[str, list[str]] = {name: [] for name in graph}
    waiting: dict[str, int] = {}
    for name, needs in graph.items():
        inner = [need for need in dict.fromkeys(needs) if need in position]
        waiting[name] = len(inner)
        for need in inner:
            needed_by[need].append(name)
    free = [position[name] for name, count in waiting.items() if count == 0]
    heapq.heapify(free)
    names = list(graph)
    order: list[str] = []
    while free:
        name = names[heapq.heappop(free)]
        order.append(name)
        for next_name in needed_by[name]:
            waiting[next_name] -= 1
            if waiting[next_name] == 0:
                heapq.heappush(free, position[next_name])
    if len(order) != len(graph):
        circle = _in_circles(graph, set(graph) - set(order))
        raise TemplateError(f"Circular dependency between resources: [{', '.join(sorted(circle))}]")
    return order


def deletion_order(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """The creation order backwards: nothing goes before what needs it."""
    return list(reversed(creation_order(graph)))


def _in_circles(graph: Mapping[str, Iterable[str]], left: set[str]) -> set[str]:
    """Of the names that could not be ordered, those that others among them need (the rest only hang on)."""
    circle = set(left)
    while True:
        needed = {need for name in circle for need in graph[name] if need in circle}
        if needed == circle:
            return circle
        circle = needed
