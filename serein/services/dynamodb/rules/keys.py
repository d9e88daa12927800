"""Primary and index keys: taken from items, checked in AWS's words, as the store's key texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.engines.expressions.values import (
    Item,
    binary_size,
    key_text,
    kind_of,
    normalise_value,
    utf8_size,
)
from serein.services.dynamodb.records import Index, KeyAttribute, TableRecord
from serein.services.dynamodb.rules.segments import spread

HASH_BYTES_MAX = 2048
SORT_BYTES_MAX = 1024

RowKey = tuple[str, str]
IndexKey = tuple[str, ...]


def request_key(table: TableRecord, key: Mapping[str, Any]) -> RowKey:
    """The row key that a request's `Key` names. Raises ValidationException."""
    hash_value = key.get(table.hash.name)
    if table.sort is None:
        if hash_value is None or len(key) != 1:
            raise _no_match()
        text = _key_part(table.hash, hash_value, HASH_BYTES_MAX)
        return spread(text) if table.spread else text, ""
    sort_value = key.get(table.sort.name)
    if hash_value is None or sort_value is None or len(key) != 2:
        raise _no_match()
    text = _key_part(table.hash, hash_value, HASH_BYTES_MAX)
    return (
        spread(text) if table.spread else text,
        _key_part(table.sort, sort_value, SORT_BYTES_MAX),
    )


def _no_match() -> ValidationException:
    return ValidationException("The provided key element does not match the schema")


def _key_part(attribute: KeyAttribute, value: Any, bytes_max: int) -> str:
    if attribute.type == "S" and type(value) is dict and len(value) == 1:
        text = value.get("S")
        if type(text) is str and 0 < len(text) * 4 <= bytes_max:
            return text
    normalise_value(value)
    content = value.get(attribute.type)
    if content is None:
        raise _no_match()
    if not content:
        raise empty_key(attribute)
    if len(content) * 4 > bytes_max:
        check_key_size(attribute, content, bytes_max)
    return content if attribute.type == "S" else key_text(value)


def empty_key(attribute: KeyAttribute) -> ValidationException:
    """The complaint about an empty key value."""
    what = "string" if attribute.type == "S" else "binary"
    return ValidationException(
        "One or more parameter values are not valid. The AttributeValue for a key attribute "
        f"cannot contain an empty {what} value. Key: {attribute.name}"
    )


def check_key_size(attribute: KeyAttribute, content: str, bytes_max: int) -> None:
    """Keys have at most 2048 (hash) or 1024 (sort) bytes. Raises ValidationException."""
    size = binary_size(content) if attribute.type == "B" else utf8_size(content)
    if attribute.type == "N" or size <= bytes_max:
        return
    if bytes_max == HASH_BYTES_MAX:
        raise parameter_invalid("Size of hashkey has exceeded the maximum size limit of2048 bytes")
    raise parameter_invalid(
        "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
    )


def check_operand(attribute: KeyAttribute, value: Mapping[str, Any], bytes_max: int) -> None:
    """A value of this key's type that a request looks for is no longer than keys are. Raises ValidationException."""
    content = value[attribute.type]
    if len(content) * 4 > bytes_max:
        check_key_size(attribute, content, bytes_max)


def check_fits(table: TableRecord, item: Item) -> None:
    """The item has the table's keys, as batches word it. Raises ValidationException."""
    for attribute in table.keys:
        value = item.get(attribute.name)
        if value is None or attribute.type not in value:
            raise _no_match()


def item_key(table: TableRecord, item: Item) -> RowKey:
    """The row key of a normalised item. Raises ValidationException."""
    hash_text = _item_part(table.hash, item, HASH_BYTES_MAX)
    if table.spread:
        hash_text = spread(hash_text)
    if table.sort is None:
        return hash_text, ""
    return hash_text, _item_part(table.sort, item, SORT_BYTES_MAX)


def _item_part(attribute: KeyAttribute, item: Item, bytes_max: int) -> str:
    value = item.get(attribute.name)
    if value is None:
        raise parameter_invalid(f"Missing the key {attribute.name} in the item")
    content = value.get(attribute.type)
    if content is None:
        raise parameter_invalid(
            f"Type mismatch for key {attribute.name} expected: {attribute.type} "
            f"actual: {kind_of(value)}"
        )
    if not content:
        raise empty_key(attribute)
    if len(content) * 4 > bytes_max:
        check_key_size(attribute, content, bytes_max)
    return content if attribute.type == "S" else key_text(value)


def index_key(index: Index, item: Item) -> IndexKey | None:
    """The key of an item in an index; None where it has not all of its attributes (a sparse index).

    What was there before the index may have other types or be empty: it stays out too.
    """
    if index.more_hash or index.more_sort:
        return _composite_key(index, item)
    text = _index_text(index.hash, item)
    if text is None:
        return None
    sort_text = "" if index.sort is None else _index_text(index.sort, item)
    if sort_text is None:
        return None
    return spread(text) if index.spread else text, sort_text


def _index_text(attribute: KeyAttribute, item: Item) -> str | None:
    """The text of a key attribute; None where the item has none of its type."""
    value = item.get(attribute.name)
    if value is None:
        return None
    content = value.get(attribute.type)
    if not content:
        return None
    return content if attribute.type == "S" else key_text(value)


def same_index_key(index: Index, old: Item, new: Item) -> bool:
    """Whether two items have the same key in an index: quicker told than the key."""
    return all(old.get(attribute.name) == new.get(attribute.name) for attribute in index.keys)


def _composite_key(index: Index, item: Item) -> IndexKey | None:
    texts: list[str] = []
    for attribute in index.keys:
        value = item.get(attribute.name)
        if value is None or not value.get(attribute.type):
            return None
        texts.append(key_text(value))
    if index.sort is None:
        texts.append("")
    if index.spread:
        texts[0] = spread(texts[0])
    return tuple(texts)


def check_index_keys(table: TableRecord, item: Item, updated: frozenset[str] | None = None) -> None:
    """Attributes that are keys of indexes have their types and are not empty. Raises ValidationException.

    Of an update only the attributes that it writes (`updated`) are looked at.
    """
    for index in table.indexes:
        for attribute in index.hashes:
            _check_index_part(index, attribute, item, HASH_BYTES_MAX, updated)
        for attribute in index.sorts:
            _check_index_part(index, attribute, item, SORT_BYTES_MAX, updated)


def _check_index_part(
    index: Index,
    attribute: KeyAttribute,
    item: Item,
    bytes_max: int,
    updated: frozenset[str] | None,
) -> None:
    value = item.get(attribute.name)
    if value is None or (updated is not None and attribute.name not in updated):
        return
    content = value.get(attribute.type)
    if content is None:
        if updated is not None:
            raise ValidationException(
                "The update expression attempted to update the secondary index key to "
                "unsupported type"
            )
        raise parameter_invalid(
            f"Type mismatch for Index Key {attribute.name} Expected: {attribute.type} "
            f"Actual: {kind_of(value)} IndexName: {index.name}"
        )
    if not content:
        what = "string" if attribute.type == "S" else "binary"
        raise ValidationException(
            "One or more parameter values are not valid. A value specified for a secondary index "
            "key is not supported. The AttributeValue for a key attribute cannot contain an empty "
            f"{what} value. IndexName: {index.name}, IndexKey: {attribute.name}"
        )
    if len(content) * 4 > bytes_max:
        check_key_size(attribute, content, bytes_max)


def key_of(table: TableRecord, item: Item) -> Item:
    """The primary key attributes of an item."""
    return {name: item[name] for name in table.key_names}
