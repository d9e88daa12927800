"""DynamoDB's PartiQL: statements, parsed into the trees that expressions are made of.

Names become placeholders `#0`, `#1` … and literals and parameters values `:0`, `:1` …, so that conditions and
updates are compiled by the same code as expressions are.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.partiql_tokens import LiteralParser, malformed
from serein.engines.expressions.syntax import Call, Node, Operation, Path
from serein.engines.expressions.updates import Verb
from serein.engines.expressions.values import AttributeValue

StatementKind = Literal["SELECT", "INSERT", "UPDATE", "DELETE", "EXISTS"]

_SET_FUNCTIONS: tuple[tuple[str, Verb], ...] = (("SET_ADD", "ADD"), ("SET_DELETE", "DELETE"))
_COMPARATORS = frozenset(("=", "<>", "!=", "<", "<=", ">", ">="))


class Statement(msgspec.Struct, kw_only=True):
    """A parsed statement. `names` and `values` are what its placeholders stand for."""

    kind: StatementKind
    table: str
    index: str = ""
    paths: list[Path] | None = None
    """What a SELECT gives; None for all attributes."""
    where: Node | None = None
    item: AttributeValue | None = None
    clauses: dict[Verb, list[tuple[Path, Node | None]]] = {}
    returning: str = "NONE"
    order_by: str = ""
    descending: bool = False
    names: dict[str, str] = {}
    values: dict[str, AttributeValue] = {}
    parameters: int = 0


def parse_statement(text: str, parameters: Sequence[AttributeValue]) -> Statement:
    """The statement that `text` and its parameters (normalised) make. Raises ValidationException."""
    parser = _Parser(text, parameters)
    statement = parser.statement()
    if parser.used != len(parameters):
        raise ValidationException("Number of parameters in request and statement don't match.")
    return statement


def kind_of_statement(text: str) -> str:
    """SELECT, INSERT, UPDATE, DELETE or EXISTS; "" for anything else."""
    match = re.match(r"\s*([A-Za-z]+)", text)
    word = match[1].upper() if match else ""
    return word if word in ("SELECT", "INSERT", "UPDATE", "DELETE", "EXISTS") else ""


class _Parser(LiteralParser):
    def statement(self) -> Statement:
        """The whole statement."""
        if self.take_word("SELECT"):
            found = self.select()
        elif self.take_word("EXISTS"):
            self.expect("(")
            self.expect_word("SELECT")
            found = self.select()
            found.kind = "EXISTS"
            self.expect(")")
        elif self.take_word("INSERT", "INTO"):
            found = self.insert()
        elif self.take_word("UPDATE"):
            found = self.update()
        elif self.take_word("DELETE", "FROM"):
            found = Statement(kind="DELETE", table=self.name())
            self.expect_word("WHERE")
            found.where = self.condition()
            found.returning = self.returning()
        else:
            raise self.fail()
        self.take(";")
        if self.token.kind != "end":
            raise self.fail()
        found.names, found.values = self.names, self.values
        found.parameters = self.used
        return found

    def select(self) -> Statement:
        """What follows SELECT."""
        paths: list[Path] | None = None
        if not self.take("*"):
            paths = [self.path()]
            while self.take(","):
                paths.append(self.path())
        self.expect_word("FROM")
        found = Statement(kind="SELECT", table=self.name(), paths=paths)
        if self.take("."):
            found.index = self.name()
        if self.take_word("WHERE"):
            found.where = self.condition()
        if self.take_word("ORDER", "BY"):
            found.order_by = self.name()
            found.descending = self.take_word("DESC")
            if not found.descending:
                self.take_word("ASC")
        return found

    def insert(self) -> Statement:
        """What follows INSERT INTO."""
        found = Statement(kind="INSERT", table=self.name())
        self.expect_word("VALUE")
        found.item = self.literal()
        return found

    def update(self) -> Statement:
        """What follows UPDATE."""
        found = Statement(kind="UPDATE", table=self.name())
        clauses: dict[Verb, list[tuple[Path, Node | None]]] = {}
        while True:
            if self.take_word("SET"):
                clauses.setdefault("SET", []).append(self.assignment(clauses))
                while self.take(","):
                    clauses["SET"].append(self.assignment(clauses))
            elif self.take_word("REMOVE"):
                clauses.setdefault("REMOVE", []).append((self.path(), None))
                while self.take(","):
                    clauses["REMOVE"].append((self.path(), None))
            else:
                break
        if not clauses:
            raise self.fail()
        clauses["SET"] = [pair for pair in clauses.get("SET", []) if pair[1] is not None]
        found.clauses = {verb: actions for verb, actions in clauses.items() if actions}
        self.expect_word("WHERE")
        found.where = self.condition()
        found.returning = self.returning()
        return found

    def assignment(
        self, clauses: dict[Verb, list[tuple[Path, Node | None]]]
    ) -> tuple[Path, Node | None]:
        """`path = value`; set_add and set_delete of the path itself become ADD and DELETE."""
        path = self.path()
        self.expect("=")
        for word, verb in _SET_FUNCTIONS:
            if self.take_word(word):
                self.expect("(")
                if self.path().parts != path.parts:
                    raise malformed(f"{word.lower()} must be about the attribute that is set")
                self.expect(",")
                added = path, self.value(self.literal())
                clauses.setdefault(verb, []).append(added)
                self.expect(")")
                return path, None
        left = self.operand()
        for symbol in ("+", "-"):
            if self.take(symbol):
                return path, Operation(symbol, (left, self.operand()))
        return path, left

    def returning(self) -> str:
        """`RETURNING ALL NEW *` and its kin, as a ReturnValues."""
        if not self.take_word("RETURNING"):
            return "NONE"
        scope = "ALL" if self.take_word("ALL") else "UPDATED"
        if scope == "UPDATED":
            self.expect_word("MODIFIED")
        age = "OLD" if self.take_word("OLD") else "NEW"
        if age == "NEW":
            self.expect_word("NEW")
        self.expect("*")
        return f"{scope}_{age}"

    def condition(self) -> Node:
        """Conditions joined by OR."""
        self.deeper()
        operands = [self.conjunction()]
        while self.take_word("OR"):
            operands.append(self.conjunction())
        self.depth -= 1
        return operands[0] if len(operands) == 1 else Operation("OR", tuple(operands))

    def conjunction(self) -> Node:
        """Conditions joined by AND."""
        operands = [self.negation()]
        while self.take_word("AND"):
            operands.append(self.negation())
        return operands[0] if len(operands) == 1 else Operation("AND", tuple(operands))

    def negation(self) -> Node:
        """A condition, perhaps negated."""
        negations = 0
        while self.take_word("NOT"):
            negations += 1
        node = self.comparison()
        return Operation("NOT", (node,)) if negations % 2 else node

    def comparison(self) -> Node:
        """A comparison, a function, or conditions in parentheses."""
        if self.take("("):
            node = self.condition()
            self.expect(")")
            return node
        left = self.operand()
        token = self.token
        if token.kind == "symbol" and token.text in _COMPARATORS:
            self.at += 1
            operator = "<>" if token.text == "!=" else token.text
            return Operation(operator, (left, self.operand()))
        if self.take_word("BETWEEN"):
            low = self.operand()
            self.expect_word("AND")
            return Operation("BETWEEN", (left, low, self.operand()))
        if self.take_word("IN"):
            return Operation("IN", (left, *self.options()))
        if self.take_word("IS"):
            return self.presence(left)
        if not isinstance(left, Call):
            raise self.fail()
        return left

    def options(self) -> list[Node]:
        """The operands of IN, in brackets or parentheses."""
        closing = "]" if self.take("[") else ")"
        if closing == ")":
            self.expect("(")
        found = [self.operand()]
        while self.take(","):
            found.append(self.operand())
        self.expect(closing)
        return found

    def presence(self, path: Node) -> Node:
        """`IS [NOT] MISSING` and `IS [NOT] NULL`."""
        negated = self.take_word("NOT")
        if self.take_word("MISSING"):
            function = "attribute_exists" if negated else "attribute_not_exists"
            return Call(function, (path,))
        self.expect_word("NULL")
        test = Call("attribute_type", (path, self.value({"S": "NULL"})))
        return Operation("NOT", (test,)) if negated else test

    def operand(self) -> Node:
        """A path, a function or a literal."""
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if self.token.kind == "word" and following.text == "(" and following.kind == "symbol":
            function = self.token.text.lower()
            self.at += 2
            self.deeper()
            operands = [self.operand()]
            while self.take(","):
                operands.append(self.operand())
            self.expect(")")
            self.depth -= 1
            return Call(function, tuple(operands))
        if self.token.kind == "quoted" or (
            self.token.kind == "word" and self.token.upper not in ("TRUE", "FALSE", "NULL")
        ):
            return self.path()
        return self.value(self.literal())
