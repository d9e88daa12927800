"""Items as files have them: DynamoDB JSON, Amazon Ion and CSV, packed or not.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Format.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

from __future__ import annotations

import base64
import csv
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from serein.base.later import later
from serein.engines.expressions.values import Item

if TYPE_CHECKING:
    import zstandard
    from amazon.ion import core, simple_types, simpleion  # type: ignore[import-untyped]
else:
    zstandard = later("zstandard")
    simpleion = later("amazon.ion.simpleion")
    simple_types = later("amazon.ion.simple_types")
    core = later("amazon.ion.core")

SETS = {"SS": "$dynamodb_SS", "NS": "$dynamodb_NS", "BS": "$dynamodb_BS"}
"""How Ion, which has no sets, marks a list as one."""


class Unpacker(Protocol):
    """Takes packed bytes as they come."""

    def decompress(self, data: bytes, /) -> bytes: ...


class _Plain:
    def decompress(self, data: bytes, /) -> bytes:
        return data


def unpacker(compression: str) -> Unpacker:
    """What unpacks one file: GZIP, ZSTD or NONE."""
    if compression == "GZIP":
        return zlib.decompressobj(wbits=31)
    if compression == "ZSTD":
        made: Unpacker = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
        return made
    return _Plain()


class Malformed(ValueError):
    """A line that holds no item."""


def json_item(line: bytes) -> Item:
    """The item of a line of DynamoDB JSON. Raises Malformed."""
    try:
        found: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed(str(error)) from error
    item = found.get("Item") if isinstance(found, dict) else None
    if not isinstance(item, dict):
        raise Malformed("a line must be an object with the member Item")
    return item


def csv_items(
    lines: Iterable[str], header: list[str] | None, delimiter: str, types: Mapping[str, str]
) -> Iterator[Item]:
    """The items of a CSV file: key attributes have the table's types, all others are strings; empty cells are left out."""
    rows = csv.reader(lines, delimiter=delimiter)
    names = header
    for row in rows:
        if names is None:
            names = row
            continue
        if row:
            yield {
                name: {types.get(name, "S"): cell}
                for name, cell in zip(names, row, strict=False)
                if cell != ""
            }


def ion_items(data: bytes) -> Iterator[Item]:
    """The items of an Ion document: structs with a field Item. Raises Malformed."""
    try:
        values = simpleion.load(io.BytesIO(data), single_value=False)
    except Exception as error:  # whatever the library meets in foreign bytes
        raise Malformed(str(error)) from error
    for value in values:
        item = value.get("Item") if isinstance(value, Mapping) else None
        if not isinstance(item, Mapping):
            raise Malformed("a value must be a struct with the field Item")
        yield {str(name): _from_ion(member) for name, member in item.items()}


def _from_ion(value: Any) -> Any:
    marks = {note.text for note in getattr(value, "ion_annotations", ())}
    for set_kind, mark in SETS.items():
        if mark in marks:
            return {set_kind: [_from_ion(one)[set_kind[0]] for one in value]}
    ion_type = getattr(value, "ion_type", None)
    name = ion_type.name if ion_type is not None else ""
    if value is None or name == "NULL":
        return {"NULL": True}
    if name == "BOOL":
        return {"BOOL": bool(value)}
    if name in ("INT", "DECIMAL", "FLOAT"):
        return {"N": format(Decimal(str(value)), "f")}
    if name in ("BLOB", "CLOB"):
        return {"B": base64.b64encode(bytes(value)).decode()}
    if name in ("LIST", "SEXP"):
        return {"L": [_from_ion(one) for one in value]}
    if name == "STRUCT":
        return {"M": {str(key): _from_ion(one) for key, one in value.items()}}
    return {"S": str(value)}


def ion_line(values: Mapping[str, Any]) -> bytes:
    """A line of an export in Ion: a struct of items, each under its name."""
    whole = {
        name: _ion_metadata(value) if name == "Metadata" else _ion_item(value)
        for name, value in values.items()
    }
    text: str = simpleion.dumps(whole, binary=False)
    return text.encode() + b"\n"


def _ion_metadata(value: Mapping[str, Any]) -> Any:
    return {name: int(member["N"]) for name, member in value.items()}


def _ion_item(item: Mapping[str, Any]) -> Any:
    return {name: _to_ion(value) for name, value in item.items()}


def _to_ion(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "S":
        return content
    if kind == "N":
        return Decimal(content)
    if kind == "B":
        return base64.b64decode(content)
    if kind == "BOOL":
        return bool(content)
    if kind == "NULL":
        return None
    if kind == "L":
        return [_to_ion(one) for one in content]
    if kind == "M":
        return _ion_item(content)
    members = [_to_ion({kind[0]: one}) for one in content]
    return simple_types.IonPyList.from_value(core.IonType.LIST, members, (SETS[kind],))
