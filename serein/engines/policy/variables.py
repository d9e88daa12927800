"""Policy variables: `${aws:username}`, with a default `${aws:PrincipalTag/team, 'none'}`, and the escapes `${*}` `${?}` `${$}`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re

import msgspec

from serein.engines.policy.request import Request
from serein.engines.policy.wildcards import Pattern, Token, Wild, pattern_of

_VARIABLE = re.compile(r"\$\{\s*([^},]*?)\s*(?:,\s*'([^'}]*)'\s*)?\}")


class Variable(msgspec.Struct, frozen=True):
    """A place in a text that the request fills."""

    key: str
    default: str | None


class Template(msgspec.Struct, frozen=True):
    """A text with variables in it, and wildcards where it was read with them."""

    parts: tuple[str | Wild | Variable, ...]

    def pattern_or_none(self, request: Request) -> Pattern | None:
        """The pattern for this request; None when a variable has no value (then nothing matches).

        What a variable brings in is taken literally: a star in a tag's value is no wildcard.
        """
        tokens: list[Token] = []
        for part in self.parts:
            if not isinstance(part, Variable):
                tokens.append(part)
                continue
            values = request.values_of(part.key)
            # A key with several values cannot fill a variable.
            if values is not None and len(values) == 1:
                value = values[0]
            elif part.default is not None and not values:
                value = part.default
            else:
                return None
            if value:
                tokens.append(value)
        return tuple(_merged(tokens))


def read_text(text: str, *, wildcards: bool, variables: bool) -> Pattern | Template:
    """The pattern that `text` stands for, or a Template when it names variables."""
    if not variables or "${" not in text:
        return pattern_of(text) if wildcards else _literal(text)
    parts: list[str | Wild | Variable] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        before = text[at : found.start()]
        parts.extend(pattern_of(before) if wildcards else _literal(before))
        name, default = found[1], found[2]
        if name in ("*", "?", "$"):
            parts.append(name)
        else:
            parts.append(Variable(name.lower(), default))
        at = found.end()
    rest = text[at:]
    parts.extend(pattern_of(rest) if wildcards else _literal(rest))
    if any(isinstance(part, Variable) for part in parts):
        return Template(tuple(parts))
    return tuple(_merged([part for part in parts if not isinstance(part, Variable)]))


def _literal(text: str) -> Pattern:
    return (text,) if text else ()


def _merged(tokens: list[Token]) -> list[Token]:
    """Neighbouring texts as one, neighbouring stars as one."""
    merged: list[Token] = []
    for token in tokens:
        if merged and isinstance(token, str) and isinstance(merged[-1], str):
            merged[-1] += token
        elif not (merged and token is Wild.ANY and merged[-1] is Wild.ANY):
            merged.append(token)
    return merged
