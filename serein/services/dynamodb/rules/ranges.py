"""From key conditions and start keys to ranges of the store's key texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from serein.engines.expressions.errors import ValidationException
from serein.engines.expressions.key_conditions import (
    KeyRange,
    KeyTerm,
    bind_composite_range,
    bind_key_range,
)
from serein.engines.expressions.values import AttributeValue, Item, key_text, normalise_value
from serein.services.dynamodb.records import Index, KeyAttribute, TableRecord
from serein.services.dynamodb.rules.keys import HASH_BYTES_MAX, SORT_BYTES_MAX, check_operand
from serein.services.dynamodb.rules.segments import spread

Key = tuple[str, ...]


class Range(msgspec.Struct, frozen=True):
    """Arguments of `scan`: rows under `prefix` from `start` to `stop`."""

    prefix: Key
    start: Key = ()
    start_after: bool = False
    stop: Key | None = None
    stop_after: bool = False

    def holds(self, rest: Key) -> bool:
        """Whether a row's key behind the prefix lies in the range."""
        head = rest[: len(self.start)]
        if self.start and (head < self.start or (self.start_after and head == self.start)):
            return False
        if self.stop is None:
            return True
        head = rest[: len(self.stop)]
        return head < self.stop or (self.stop_after and head == self.stop)

    def after(self, rest: Key, *, forward: bool) -> Range:
        """What is left of the range behind the row `rest`, in reading direction."""
        if forward:
            return msgspec.structs.replace(self, start=rest, start_after=True)
        return msgspec.structs.replace(self, stop=rest, stop_after=False)


def bound_range(keyed: TableRecord | Index, terms: Sequence[KeyTerm]) -> KeyRange:
    """What key conditions say of a table or index. Raises ValidationException."""
    hash_key, sort_key = keyed.hash, keyed.sort
    if len(keyed.keys) > 2 or len(keyed.hashes) > 1:
        bound = bind_composite_range(
            terms,
            [(key.name, key.type) for key in keyed.hashes],
            [(key.name, key.type) for key in keyed.sorts],
        )
    else:
        sort = None if sort_key is None else (sort_key.name, sort_key.type)
        bound = bind_key_range(terms, (hash_key.name, hash_key.type), sort)
    check_operand(hash_key, bound.hash_value, HASH_BYTES_MAX)
    for attribute, value in zip(keyed.keys[1:], bound.equal, strict=False):
        check_operand(attribute, value, _bytes_max(keyed, attribute))
    if bound.sort is not None:
        for attribute in keyed.sorts:
            if attribute.name == bound.sort.attribute:
                for operand in bound.sort.operands:
                    check_operand(attribute, operand, SORT_BYTES_MAX)
    return bound


def _bytes_max(keyed: TableRecord | Index, attribute: KeyAttribute) -> int:
    return HASH_BYTES_MAX if attribute in keyed.hashes else SORT_BYTES_MAX


def query_range(prefix: Key, term: KeyTerm | None) -> Range:
    """The rows of one hash key that a sort condition leaves."""
    if term is None:
        return Range(prefix)
    texts = tuple(key_text(operand) for operand in term.operands)
    first = texts[:1]
    match term.operator:
        case "=":
            return Range(prefix, start=first, stop=first, stop_after=True)
        case "<":
            return Range(prefix, stop=first)
        case "<=":
            return Range(prefix, stop=first, stop_after=True)
        case ">":
            return Range(prefix, start=first, start_after=True)
        case ">=":
            return Range(prefix, start=first)
        case "BETWEEN":
            return Range(prefix, start=first, stop=texts[1:], stop_after=True)
    assert term.operator == "begins_with"
    behind = _successor(texts[0])
    return Range(prefix, start=first, stop=(behind,) if behind else None)


def _successor(text: str) -> str | None:
    """The least text that is greater than all that begin with `text`; None when there is none."""
    while text:
        last = ord(text[-1])
        if last < 0x10FFFF:
            following = 0xE000 if last == 0xD7FF else last + 1
            return text[:-1] + chr(following)
        text = text[:-1]
    return None


def row_key_parts(table: TableRecord, index: Index | None, item: Item) -> Key:
    """The key parts of an item's row in the table or index, behind its id."""
    base = _parts(table, item)
    return base if index is None else _parts(index, item) + base


def _parts(keyed: TableRecord | Index, item: Item) -> Key:
    texts = [key_text(item[attribute.name]) for attribute in keyed.keys]
    if keyed.sort is None:
        texts.append("")
    if keyed.spread:
        texts[0] = spread(texts[0])
    return tuple(texts)


def hash_text(keyed: TableRecord | Index, value: AttributeValue) -> str:
    """The text of the (first) partition key attribute's value, as the keys of rows begin with it."""
    text = key_text(value)
    return spread(text) if keyed.spread else text


def start_key_parts(table: TableRecord, index: Index | None, key: Mapping[str, Any]) -> Key:
    """The key parts that an ExclusiveStartKey names. Raises ValidationException."""
    attributes = {attribute.name: attribute for attribute in _key_attributes(table, index)}
    if set(key) != set(attributes):
        raise _invalid_start()
    for name, value in key.items():
        normalise_value(value)
        attribute = attributes[name]
        if not value.get(attribute.type):
            raise _invalid_start()
        try:
            keyed = table if index is None or attribute in table.hashes else index
            check_operand(attribute, value, _bytes_max(keyed, attribute))
        except ValidationException as error:
            raise ValidationException(
                f"The provided starting key is invalid: {error.message}"
            ) from None
    return row_key_parts(table, index, dict(key))


def _invalid_start() -> ValidationException:
    return ValidationException(
        "The provided starting key is invalid: The provided key element does not match the schema"
    )


def _key_attributes(table: TableRecord, index: Index | None) -> list[KeyAttribute]:
    found = list(table.keys)
    if index is not None:
        found += index.keys
    return found


def last_key(table: TableRecord, index: Index | None, item: Item) -> Item:
    """The LastEvaluatedKey of a page that ends with `item`."""
    return {attribute.name: item[attribute.name] for attribute in _key_attributes(table, index)}
