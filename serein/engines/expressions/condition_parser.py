"""The grammar of condition, filter and key condition expressions.

Precedence, from tightest: comparators, BETWEEN, IN; NOT; AND; OR.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

from serein.engines.expressions.syntax import Node, Operation, Parser, Path, Value

COMPARATORS = frozenset(("=", "<>", "<", "<=", ">", ">="))
IN_OPERANDS_MAX = 100


class ConditionParser(Parser):
    """`parse()` gives the tree; syntax errors only, nothing is resolved."""

    def parse(self) -> Node:
        """The whole expression. Raises ValidationException."""
        node = self._either()
        if isinstance(node, Path | Value):
            # An operand alone is no condition: AWS complains about what follows it.
            raise self.syntax_error()
        self.expect_end()
        self.refuse_redundant_parentheses()
        return node

    def _either(self) -> Node:
        first = self._both()
        if not self.next_is_word("OR"):
            return first
        operands = [self._require_condition(first)]
        while self.take_word("OR"):
            operands.append(self._require_condition(self._both()))
        return Operation("OR", tuple(operands))

    def _both(self) -> Node:
        first = self._negated()
        if not self.next_is_word("AND"):
            return first
        operands = [self._require_condition(first)]
        while self.take_word("AND"):
            operands.append(self._require_condition(self._negated()))
        return Operation("AND", tuple(operands))

    def _negated(self) -> Node:
        count = 0
        while self.take_word("NOT"):
            count += 1
        node = self._comparison()
        if count:
            self._require_condition(node)
        # Two say the same as any even number, but a key condition must know that there was a NOT.
        for _ in range(2 - count % 2 if count else 0):
            node = Operation("NOT", (node,))
        return node

    def _require_condition(self, node: Node) -> Node:
        if isinstance(node, Path | Value):
            raise self.syntax_error()
        return node

    def _comparison(self) -> Node:
        left = self._primary()
        token = self.token
        is_comparator = token.kind == "symbol" and token.text in COMPARATORS
        if not is_comparator and token.upper not in ("BETWEEN", "IN"):
            return left
        if isinstance(left, Operation):
            raise self.syntax_error()
        self.at += 1
        if is_comparator:
            return Operation(token.text, (left, self.operand()))
        if token.upper == "BETWEEN":
            low = self.operand()
            if not self.take_word("AND"):
                raise self.syntax_error()
            return Operation("BETWEEN", (left, low, self.operand()))
        self.expect("(")
        options = [self.operand()]
        while self.take(","):
            options.append(self.operand())
        self.expect(")")
        return Operation("IN", (left, *options))

    def _primary(self) -> Node:
        if not self.next_is("("):
            return self.operand()
        self.at += 1
        doubled = self.next_is("(")
        before = self.at
        node = self._either()
        if doubled and self._closes(before) and self.next_is(")"):
            self.redundant_parentheses = True
        self.expect(")")
        return node

    def _closes(self, start: int) -> bool:
        """Whether the parenthesis at token `start` is closed by the token just passed."""
        depth = 0
        for index in range(start, self.at):
            token = self.tokens[index]
            if token.kind == "symbol":
                depth += (token.text == "(") - (token.text == ")")
                if depth == 0:
                    return index == self.at - 1
        return False
