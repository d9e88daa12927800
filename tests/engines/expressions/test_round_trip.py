"""Random conditions, projections and updates, written as text, against an obvious reading of their trees.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import base64
import copy
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.expressions.conditions import compile_condition
from serein.engines.expressions.projections import compile_projection
from serein.engines.expressions.updates import compile_update
from serein.engines.expressions.values import normalise_item, normalise_value

NAMES = ["a", "b", "c"]
PLACEHOLDERS = {"#a": "a", "#b": "b", "#c": "c"}

numbers = st.sampled_from(["-2", "-1.5", "0", "1", "1.0", "1e1", "10", "2"]).map(lambda n: {"N": n})
texts = st.sampled_from(["", "a", "ab", "b", "é"]).map(lambda s: {"S": s})
binaries = st.sampled_from([b"", b"a", b"ab", b"\xff"]).map(
    lambda b: {"B": base64.b64encode(b).decode()}
)
scalars = numbers | texts | binaries
others = st.sampled_from(
    [
        {"BOOL": True},
        {"BOOL": False},
        {"NULL": True},
        {"SS": ["a", "b"]},
        {"NS": ["1", "10"]},
        {"L": [{"S": "a"}, {"N": "1"}]},
        {"M": {"b": {"N": "1"}, "c": {"L": [{"S": "a"}]}}},
        {"L": []},
        {"M": {}},
    ]
).map(copy.deepcopy)
values = scalars | others
items = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
paths = st.lists(st.sampled_from([*NAMES, 0, 1]), max_size=2).flatmap(
    lambda rest: st.sampled_from(NAMES).map(lambda first: (first, *rest))
)

KINDS = ("S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL")
leaves = st.one_of(
    st.tuples(st.sampled_from(["=", "<>"]), paths, values),
    st.tuples(st.sampled_from(["<", "<=", ">", ">="]), paths, scalars),
    st.tuples(st.just("exists"), paths, st.booleans()),
    st.tuples(st.just("type"), paths, st.sampled_from(KINDS)),
    st.tuples(st.just("begins_with"), paths, texts | binaries),
    st.tuples(st.just("contains"), paths, scalars),
    st.tuples(st.just("size"), paths, st.integers(0, 3)),
    st.tuples(st.just("in"), paths, st.lists(values, min_size=1, max_size=3)),
    st.tuples(st.just("between"), paths, st.tuples(numbers, numbers)),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=6,
)


def path_text(path: tuple[Any, ...]) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + f"#{part}"
    return text


class Writer:
    """Writes a tree as an expression and gathers its placeholders."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def value(self, value: Any) -> str:
        name = f":v{len(self.values)}"
        self.values[name] = copy.deepcopy(value)
        return name

    def condition(self, tree: tuple[Any, ...], outer: str = "") -> str:
        kind = tree[0]
        if kind in ("and", "or"):
            text = f" {kind.upper()} ".join(self.condition(part, kind) for part in tree[1])
            return f"({text})" if outer in ("and", "not") else text
        if kind == "not":
            text = f"not {self.condition(tree[1], 'not')}"
            return f"({text})" if outer == "not" else text
        path, operand = path_text(tree[1]), tree[2]
        match kind:
            case "exists":
                return f"attribute_{'' if operand else 'not_'}exists({path})"
            case "type":
                return f"attribute_type({path}, {self.value({'S': operand})})"
            case "begins_with" | "contains":
                return f"{kind}({path}, {self.value(operand)})"
            case "size":
                return f"size({path}) >= {self.value({'N': str(operand)})}"
            case "in":
                return f"{path} IN ({', '.join(map(self.value, operand))})"
            case "between":
                low, high = sorted(operand, key=lambda value: Decimal(value["N"]))
                return f"{path} between {self.value(low)} AND {self.value(high)}"
        return f"{path} {kind} {self.value(operand)}"


def found_at(item: dict[str, Any], path: tuple[Any, ...]) -> Any:
    value: Any = {"M": item}
    for part in path:
        if isinstance(part, int):
            members = value.get("L")
            if members is None or part >= len(members):
                return None
            value = members[part]
        else:
            value = (value.get("M") or {}).get(part)
            if value is None:
                return None
    return value


def raw(value: dict[str, Any]) -> tuple[str, Any]:
    (kind, content), *_ = value.items()
    if kind == "N":
        return kind, Decimal(content)
    if kind == "B":
        return kind, base64.b64decode(content)
    if kind == "S":
        return kind, content.encode()
    if kind == "SS":
        return kind, frozenset(content)
    if kind == "NS":
        return kind, frozenset(map(Decimal, content))
    if kind == "L":
        return kind, [raw(member) for member in content]
    if kind == "M":
        return kind, {name: raw(member) for name, member in content.items()}
    return kind, content


def holds(tree: tuple[Any, ...], item: dict[str, Any]) -> bool:
    kind = tree[0]
    if kind == "and":
        return all(holds(part, item) for part in tree[1])
    if kind == "or":
        return any(holds(part, item) for part in tree[1])
    if kind == "not":
        return not holds(tree[1], item)
    value, operand = found_at(item, tree[1]), tree[2]
    if kind == "exists":
        return (value is not None) == operand
    if kind == "<>":
        return value is None or raw(value) != raw(operand)
    if value is None:
        return False
    own, content = raw(value)
    match kind:
        case "=":
            return raw(value) == raw(operand)
        case "type":
            return own == operand
        case "in":
            return any(raw(value) == raw(option) for option in operand)
        case "between":
            low, high = sorted(Decimal(bound["N"]) for bound in operand)
            return own == "N" and low <= content <= high
        case "size":
            return (
                own in ("S", "B", "SS", "NS", "L", "M")
                and (len(content.decode()) if own == "S" else len(content)) >= operand
            )
    other, wanted = raw(operand)
    if kind == "contains":
        if own == "L":
            return (other, wanted) in content
        return (own == other and own in "SB" and wanted in content) or (
            own == f"{other}S" and (wanted.decode() if other == "S" else wanted) in content
        )
    if own != other:
        return False
    if kind == "begins_with":
        return bool(content.startswith(wanted))
    return bool(
        {
            "<": content < wanted,
            "<=": content <= wanted,
            ">": content > wanted,
            ">=": content >= wanted,
        }[kind]
    )


@settings(max_examples=300, deadline=None)
@given(tree=conditions, item=items)
def test_conditions(tree, item):
    writer = Writer()
    text = writer.condition(tree)
    names = {key: name for key, name in PLACEHOLDERS.items() if key in text}
    condition = compile_condition(text, names)
    for value in writer.values.values():
        normalise_value(value)
    kept = copy.deepcopy(item)
    normalise_item(kept)
    condition.check(writer.values)
    assert condition.test(kept, writer.values) == holds(tree, item), text


def clashes(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    for a, b in zip(first, second, strict=False):
        if isinstance(a, int) != isinstance(b, int):
            return True
        if a != b:
            return False
    return True


def apart(listed: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    kept: list[tuple[Any, ...]] = []
    for path in listed:
        if not any(clashes(path, other) for other in kept):
            kept.append(path)
    return kept


@settings(max_examples=200, deadline=None)
@given(listed=st.lists(paths, min_size=1, max_size=4).map(apart), item=items)
def test_projections_keep_what_lies_on_their_paths_and_nothing_else(listed, item):
    text = ", ".join(map(path_text, listed))
    names = {key: name for key, name in PLACEHOLDERS.items() if key in text}
    normalise_item(item)
    found = compile_projection(text, names).project(item)
    for path in listed:
        if not any(isinstance(part, int) for part in path):
            assert found_at(found, path) == found_at(item, path)
    assert set(found) == {path[0] for path in listed if found_at(item, path) is not None}
    count = sum(found_at(item, path) is not None for path in listed)
    assert sum(map(leaves_of, listed, [found] * len(listed))) <= count


def leaves_of(path: tuple[Any, ...], found: dict[str, Any]) -> int:
    return int(found_at(found, path) is not None)


@settings(max_examples=200, deadline=None)
@given(
    sets=st.dictionaries(st.sampled_from(NAMES), values, max_size=2),
    removes=st.sets(st.sampled_from(NAMES)),
    adds=st.dictionaries(st.sampled_from(NAMES), numbers, max_size=2),
    item=items,
)
def test_updates_of_whole_attributes(sets, removes, adds, item):
    removes -= set(sets)
    adds = {name: value for name, value in adds.items() if name not in sets and name not in removes}
    adds = {name: value for name, value in adds.items() if "N" in item.get(name, {"N": "0"})}
    writer = Writer()
    clauses = []
    if sets:
        listed = ", ".join(f"#{name} = {writer.value(value)}" for name, value in sets.items())
        clauses.append(f"SET {listed}")
    if removes:
        clauses.append(f"remove {', '.join(f'#{name}' for name in sorted(removes))}")
    if adds:
        clauses.append(
            "ADD " + ", ".join(f"#{name} {writer.value(value)}" for name, value in adds.items())
        )
    if not clauses:
        return
    text = " ".join(clauses)
    names = {key: name for key, name in PLACEHOLDERS.items() if key in text}
    for value in writer.values.values():
        normalise_value(value)
    normalise_item(item)
    before = copy.deepcopy(item)
    after = compile_update(text, names).apply(item, writer.values)
    assert item == before
    expected = {name: raw(value) for name, value in item.items() if name not in removes}
    expected.update({name: raw(value) for name, value in sets.items()})
    for name, value in adds.items():
        old = Decimal(item[name]["N"]) if name in item else Decimal(0)
        expected[name] = ("N", old + Decimal(value["N"]))
    assert {name: raw(value) for name, value in after.items()} == expected
