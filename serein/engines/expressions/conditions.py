"""Condition and filter expressions, compiled to closures over (item, values).

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from serein.engines.expressions.compare import begins_with, contains, order_of, size_of
from serein.engines.expressions.condition_parser import (
    COMPARATORS,
    IN_OPERANDS_MAX,
    ConditionParser,
)
from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.paths import getter, show_path
from serein.engines.expressions.scope import PathParts, Scope
from serein.engines.expressions.syntax import Call, Node, Operation, Path, Value, invalid
from serein.engines.expressions.values import (
    TYPE_NAMES,
    AttributeValue,
    Item,
    describe_value,
    kind_of,
)

Values = Mapping[str, AttributeValue]
Operand = Callable[[Item, Values], AttributeValue | None]
Test = Callable[[Item, Values], bool]
Check = Callable[[Values], None]

NO_VALUES: Values = {}

_FUNCTION_OPERANDS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
_UPDATE_FUNCTIONS = frozenset(("if_not_exists", "list_append"))
_ORDERINGS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
_ATTRIBUTE_TYPES = frozenset(TYPE_NAMES)


class Condition(msgspec.Struct, frozen=True, eq=False):
    """A compiled condition: `check(values)` once a request, then `test(item, values)` for each item.

    `roots` are the attribute names that it looks at.
    """

    parameter: str
    test: Test
    checks: tuple[Check, ...]
    roots: frozenset[str]
    names_used: frozenset[str]
    values_used: frozenset[str]
    values_in_order: tuple[str, ...]

    def check(self, values: Values) -> None:
        """The values that it uses are there and of types that its operators take. Raises."""
        check_values_defined(self.parameter, self.values_in_order, values)
        for check in self.checks:
            check(values)


def check_values_defined(parameter: str, used: tuple[str, ...], values: Values) -> None:
    """Every placeholder in `used` has a value. Raises ValidationException."""
    for name in used:
        if name not in values:
            raise invalid(
                parameter,
                "An expression attribute value used in expression is not defined; "
                f"attribute value: {name}",
            )


def compile_condition(
    text: str, names: Mapping[str, str], parameter: str = "ConditionExpression"
) -> Condition:
    """The condition that `text` describes. Raises ValidationException in AWS's words."""
    return build_condition(ConditionParser(text, parameter).parse(), Scope(parameter, names))


def build_condition(node: Node, scope: Scope) -> Condition:
    """The condition that a tree describes. Raises ValidationException in AWS's words."""
    compiler = _Compiler(scope)
    test = compiler.condition(node)
    return Condition(
        parameter=scope.parameter,
        test=test,
        checks=tuple(compiler.checks),
        roots=frozenset(compiler.roots),
        names_used=frozenset(scope.names_used),
        values_used=frozenset(scope.values_used),
        values_in_order=tuple(scope.values_used),
    )


class _Compiler:
    """Turns trees into closures; collects what must be asked of the values of a request."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.checks: list[Check] = []
        self.roots: set[str] = set()

    def condition(self, node: Node) -> Test:
        """A tree with a truth value."""
        if isinstance(node, Operation):
            match node.operator:
                case "AND":
                    return all_of([self.condition(operand) for operand in node.operands])
                case "OR":
                    return any_of([self.condition(operand) for operand in node.operands])
                case "NOT":
                    return negation(self.condition(node.operands[0]))
                case "BETWEEN":
                    return self._between(node)
                case "IN":
                    return self._in(node)
            return self._comparison(node)
        assert isinstance(node, Call)
        return self._function(node)

    def _operand(self, node: Node) -> Operand:
        if isinstance(node, Path):
            return path_operand(self._resolve(node))
        if isinstance(node, Value):
            name = node.name
            self.scope.use_value(name)
            return lambda item, values: values[name]
        assert isinstance(node, Call)
        self._check_call(node)
        if node.function != "size":
            raise self._misplaced(node.function)
        return self._size(node)

    def _resolve(self, path: Path) -> PathParts:
        parts = self.scope.resolve(path)
        self.roots.add(str(parts[0]))
        return parts

    def _misplaced(self, function: str) -> ValidationException:
        return self.scope.error(
            "The function is not allowed to be used this way in an expression; "
            f"function: {function}"
        )

    def _check_call(self, call: Call) -> None:
        count = _FUNCTION_OPERANDS.get(call.function)
        if count is None:
            if call.function in _UPDATE_FUNCTIONS:
                kind = "filter" if self.scope.parameter == "FilterExpression" else "condition"
                raise self.scope.error(
                    f"The function is not allowed in a {kind} expression; function: {call.function}"
                )
            raise self.scope.error(f"Invalid function name; function: {call.function}")
        if len(call.operands) != count:
            raise self.scope.error(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {call.function}, number of operands: {len(call.operands)}"
            )

    def _size(self, call: Call) -> Operand:
        operand = self._operand(call.operands[0])
        self._limit_kinds(
            "size", call.operands[:1], frozenset(("S", "B", "SS", "NS", "BS", "L", "M"))
        )

        def size(item: Item, values: Values) -> AttributeValue | None:
            value = operand(item, values)
            if value is None:
                return None
            count = size_of(value)
            return None if count is None else {"N": str(count)}

        return size

    def _limit_kinds(
        self, operator: str, operands: tuple[Node, ...], kinds: frozenset[str]
    ) -> None:
        """Have the literal operands' types checked once a request."""
        parameter = self.scope.parameter
        names = [operand.name for operand in operands if isinstance(operand, Value)]

        def check(values: Values) -> None:
            for name in names:
                kind = kind_of(values[name])
                if kind not in kinds:
                    raise incorrect_operand(parameter, operator, kind)

        if names:
            self.checks.append(check)

    def _distinct(self, operator: str, first: Node, others: tuple[Node, ...]) -> None:
        if not isinstance(first, Path):
            return
        resolved = self.scope.resolve(first)
        for other in others:
            if isinstance(other, Path) and self.scope.resolve(other) == resolved:
                raise self.scope.error(
                    "The first operand must be distinct from the remaining operands for this "
                    f"operator or function; operator: {operator}, "
                    f"first operand: {show_path(resolved)}"
                )

    def _comparison(self, node: Operation) -> Test:
        left, right = (self._operand(operand) for operand in node.operands)
        self._distinct(node.operator, node.operands[0], node.operands[1:])
        assert node.operator in COMPARATORS
        if node.operator == "=":
            return equality(left, right)
        if node.operator == "<>":
            return negation(equality(left, right))
        self._limit_kinds(node.operator, node.operands, frozenset(("S", "N", "B")))
        return ordering(node.operator, left, right)

    def _between(self, node: Operation) -> Test:
        value, low, high = (self._operand(operand) for operand in node.operands)
        self._distinct("BETWEEN", node.operands[0], node.operands[1:])
        self._limit_kinds("BETWEEN", node.operands, frozenset(("S", "N", "B")))
        lower, upper = node.operands[1:]
        if isinstance(lower, Value) and isinstance(upper, Value):
            self.checks.append(bounds_check(self.scope.parameter, lower.name, upper.name))
        at_least, at_most = ordering(">=", value, low), ordering("<=", value, high)
        return lambda item, values: at_least(item, values) and at_most(item, values)

    def _in(self, node: Operation) -> Test:
        if len(node.operands) - 1 > IN_OPERANDS_MAX:
            raise self.scope.error(
                "The IN operator is provided with too many operands; "
                f"number of operands: {len(node.operands) - 1}"
            )
        value, *options = (self._operand(operand) for operand in node.operands)
        self._distinct("IN", node.operands[0], node.operands[1:])

        def is_in(item: Item, values: Values) -> bool:
            found = value(item, values)
            return found is not None and any(option(item, values) == found for option in options)

        return is_in

    def _function(self, call: Call) -> Test:
        self._check_call(call)
        function = call.function
        if function == "size":
            raise self._misplaced(function)
        if function in ("attribute_exists", "attribute_not_exists", "attribute_type"):
            first = call.operands[0]
            if not isinstance(first, Path):
                raise self.scope.error(
                    "Operator or function requires a document path; "
                    f"operator or function: {function}"
                )
            if function == "attribute_type":
                return self._attribute_type(first, call.operands[1])
            get = getter(self._resolve(first))
            if function == "attribute_exists":
                return lambda item, values: get(item) is not None
            return lambda item, values: get(item) is None
        value, part = (self._operand(operand) for operand in call.operands)
        self._distinct(function, call.operands[0], call.operands[1:])
        if function == "begins_with":
            self._limit_kinds(function, call.operands, frozenset(("S", "B")))
            return _pairwise(begins_with, value, part)
        self._limit_kinds(function, call.operands[:1], frozenset(("S", "B", "SS", "NS", "BS", "L")))
        return _pairwise(contains, value, part)

    def _attribute_type(self, path: Path, wanted: Node) -> Test:
        get = getter(self._resolve(path))
        parameter = self.scope.parameter
        if not isinstance(wanted, Value):
            self._operand(wanted)
            raise self.scope.error(
                "Incorrect operand type for operator or function; "
                "operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
            )
        name = wanted.name
        self.scope.use_value(name)

        def check(values: Values) -> None:
            value = values[name]
            if "S" not in value:
                raise incorrect_operand(parameter, "attribute_type", kind_of(value))
            if value["S"] not in _ATTRIBUTE_TYPES:
                raise invalid(
                    parameter,
                    f"Invalid attribute type name found; type: {value['S']}, "
                    "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
                )

        self.checks.append(check)

        def has_type(item: Item, values: Values) -> bool:
            value = get(item)
            return value is not None and values[name]["S"] in value

        return has_type


def path_operand(parts: PathParts) -> Operand:
    """An operand that is what lies at a path of the item."""
    if len(parts) == 1:
        name = str(parts[0])
        return lambda item, values: item.get(name)
    get = getter(parts)
    return lambda item, values: get(item)


def incorrect_operand(parameter: str, operator: str, kind: str) -> ValidationException:
    """The complaint about a literal of a type that an operator or function does not take."""
    return invalid(
        parameter,
        "Incorrect operand type for operator or function; "
        f"operator or function: {operator}, operand type: {kind}",
    )


def bounds_check(parameter: str, low: str, high: str) -> Check:
    """A check that two literal bounds of BETWEEN are of one type and in order."""

    def check(values: Values) -> None:
        lower, upper = values[low], values[high]
        shown = (
            f"lower bound operand: {describe_value(lower)}, "
            f"upper bound operand: {describe_value(upper)}"
        )
        if kind_of(lower) != kind_of(upper):
            raise invalid(
                parameter,
                "The BETWEEN operator requires same data type for lower and upper bounds; " + shown,
            )
        if order_of(lower, upper) == 1:
            raise invalid(
                parameter,
                "The BETWEEN operator requires upper bound to be greater than or equal to "
                "lower bound; " + shown,
            )

    return check


def all_of(tests: list[Test]) -> Test:
    """A test that all of `tests` pass, left to right."""
    if len(tests) == 2:
        first, second = tests
        return lambda item, values: first(item, values) and second(item, values)
    listed = tuple(tests)

    def conjunction(item: Item, values: Values) -> bool:
        return all(test(item, values) for test in listed)

    return conjunction


def any_of(tests: list[Test]) -> Test:
    """A test that one of `tests` passes, left to right."""
    if len(tests) == 2:
        first, second = tests
        return lambda item, values: first(item, values) or second(item, values)
    listed = tuple(tests)

    def disjunction(item: Item, values: Values) -> bool:
        return any(test(item, values) for test in listed)

    return disjunction


def negation(test: Test) -> Test:
    """A test that `test` fails."""
    return lambda item, values: not test(item, values)


def equality(left: Operand, right: Operand) -> Test:
    """A test that both operands are there and equal."""

    def equal(item: Item, values: Values) -> bool:
        a = left(item, values)
        return a is not None and a == right(item, values)

    return equal


def ordering(operator: str, left: Operand, right: Operand) -> Test:
    """A test that both operands are there, of one ordered type, and in order."""
    accepts = _ORDERINGS[operator]

    def ordered(item: Item, values: Values) -> bool:
        a = left(item, values)
        if a is None:
            return False
        b = right(item, values)
        if b is None:
            return False
        order = order_of(a, b)
        return order is not None and accepts(order)

    return ordered


def _pairwise(
    holds: Callable[[AttributeValue, AttributeValue], bool], left: Operand, right: Operand
) -> Test:
    def both(item: Item, values: Values) -> bool:
        a = left(item, values)
        if a is None:
            return False
        b = right(item, values)
        return b is not None and holds(a, b)

    return both
