"""Write a service's `model.py`: TypedDicts and errors of the operations it has, from botocore's model.

    python tools/generate_models.py sqs lambda_        writes serein/services/<name>/model.py
    python tools/generate_models.py                    the same for every service folder
    python tools/generate_models.py --check [NAMES]    writes nothing; exit code 1 when a file is stale

The operations are those found in the folder's Python files as `@operation("Name"` (anywhere below it); to have the types before
the handlers are written, name more: `python tools/generate_models.py sqs --with SendMessage,CreateQueue` (kept only until
the next run without it). The botocore name is taken from `name="…"` in the folder's `__init__.py`, else from the folder's own.

In the file: one TypedDict per structure reachable from those operations, under the model's names (`total=False`, required members
as `Required`); timestamps are float, blobs bytes, streams `bytes | AsyncIterator[bytes]`; one class per modelled error
of the service, a subclass of AwsError with the code its protocol puts on the wire (IAM: "NoSuchEntity", class
NoSuchEntityException).
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from serein.wire.models import ServiceWire, Wire  # noqa: E402
from serein.wire.shapes import Member, Shape  # noqa: E402

SERVICES = ROOT / "serein" / "services"
_OPERATION = re.compile(r"@operation\(\s*\"([A-Za-z0-9]+)\"")
_NAME = re.compile(r"Service\(\s*(?:#[^\n]*\n\s*)*name=\"([a-z0-9-]+)\"")
_SCALARS = {
    "string": "str",
    "character": "str",
    "integer": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "boolean": "bool",
    "timestamp": "float",
    "blob": "bytes",
}


def operations_of(folder: Path) -> set[str]:
    """The names of the operations that have a handler below `folder`."""
    found: set[str] = set()
    for path in sorted(folder.rglob("*.py")):
        if path.name != "model.py":
            found.update(_OPERATION.findall(path.read_text()))
    return found


def botocore_name(folder: Path) -> str:
    """Botocore's name of the service in `folder`."""
    face = folder / "__init__.py"
    said = _NAME.search(face.read_text()) if face.exists() else None
    return said[1] if said else folder.name.rstrip("_").replace("_", "-")


class Writer:
    """Collects the classes of one service."""

    def __init__(self, service: ServiceWire) -> None:
        self.service = service
        self.classes: dict[str, str] = {}
        self.streams = False
        self.typed = False

    def add(self, shape: Shape | None) -> None:
        """The class of a structure, and those it needs."""
        if shape is None or shape.opaque or shape.name in self.classes:
            return
        self.classes[shape.name] = ""
        required = set(shape.model.required)
        lines: list[str] = []
        plain = all(name.isidentifier() and not keyword.iskeyword(name) for name in shape.members)
        for member in shape.members.values():
            kind = self.type_of(member)
            if member.name in required:
                kind = f"t.Required[{kind}]"
            lines.append(
                f"    {member.name}: {kind}" if plain else f"        {member.name!r}: {kind!r},"
            )
        self.typed = True
        if plain:
            body = "\n".join(lines) or "    pass"
            text = f"class {shape.name}(t.TypedDict, total=False):\n{body}\n"
        else:
            body = "\n".join(lines)
            text = f"{shape.name} = t.TypedDict(\n    {shape.name!r},\n    {{\n{body}\n    }},\n    total=False,\n)\n"
        self.classes[shape.name] = text

    def type_of(self, member: Member) -> str:
        """A member's annotation."""
        shape = member.shape
        if shape.opaque:
            return "t.Any" if shape.model.document else "dict[str, t.Any]"
        if shape.model.eventstream:
            self.add(shape)
            self.streams = True
            return f"AsyncIterator[{shape.name}] | Iterable[{shape.name}]"
        if shape.kind == "structure":
            self.add(shape)
            return shape.name
        if shape.kind == "list":
            return f"list[{self.type_of(shape.member)}]"
        if shape.kind == "map":
            return f"dict[str, {self.type_of(shape.value)}]"
        if shape.kind == "blob" and member.streaming:
            self.streams = True
            return "bytes | AsyncIterator[bytes]"
        return _SCALARS[shape.kind]

    def errors(self) -> Iterable[str]:
        """The classes of the modelled errors."""
        json_like = self.service.facts.protocols[0] in ("json", "rest-json", "smithy-rpc-v2-cbor")
        for error in sorted(self.service.errors.values(), key=lambda e: e.name):
            code = error.name if json_like else error.code
            lines = [
                f"class {error.name}(AwsError):",
                f"    code = {code!r}",
                f"    status = {error.status}",
            ]
            if error.status >= 500:
                lines.append('    fault = "server"')
            if error.code != code:
                lines.append(f"    wire_code = {error.code!r}")
            yield "\n".join(lines) + "\n"


def model_text(service: ServiceWire, operations: Iterable[str]) -> str:
    """The text of `model.py`."""
    writer = Writer(service)
    for name in sorted(operations):
        facts = service.operation(name).facts
        writer.add(facts.input_shape)
        writer.add(facts.output_shape)
    errors = list(writer.errors())
    head = [
        f'"""Requests, results and errors of {service.name} as AWS models them. Generated by '
        'tools/generate_models.py; do not edit."""',
        "",
        "from __future__ import annotations",
        "",
    ]
    if writer.typed:
        head.append("import typing as t")
    if writer.streams:
        head.append("from collections.abc import AsyncIterator, Iterable")
    if errors:
        head.extend(["", "from serein.base.errors import AwsError"])
    parts = ["\n".join(head) + "\n", *errors]
    if writer.classes:
        parts.append(typed_only([writer.classes[name] for name in sorted(writer.classes)]))
    return formatted("\n\n".join(parts))


def typed_only(classes: list[str]) -> str:
    """The TypedDicts, for the type checker alone: making thousands of them would cost a tenth of the start."""
    return (
        "if t.TYPE_CHECKING:\n"
        + textwrap.indent("\n\n".join(classes), "    ")
        + "\nelse:\n\n    def __getattr__(name: str) -> type:\n"
        + '        if name.startswith("_"):\n            raise AttributeError(name)\n'
        + "        return dict\n"
    )


def formatted(text: str) -> str:
    """`text` as ruff writes it."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    config = ["--config", str(ROOT / "pyproject.toml"), "--stdin-filename", "model.py", "-"]
    for command in (["check", "--select", "I,F401,UP", "--fix", "--quiet"], ["format"]):
        done = subprocess.run(
            [ruff, *command, *config], input=text, capture_output=True, text=True, check=True
        )
        text = done.stdout
    return text


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    extra: set[str] = set()
    names: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--with":
            extra.update(next(rest).split(","))
        elif not argument.startswith("-"):
            names.append(argument)
    if not names:
        names = sorted(p.parent.name for p in SERVICES.glob("*/__init__.py"))
    wire = Wire()
    stale = 0
    for name in names:
        folder = SERVICES / name
        text = model_text(wire.service(botocore_name(folder)), operations_of(folder) | extra)
        path = folder / "model.py"
        if check:
            if not path.exists() or path.read_text() != text:
                stale += 1
                print(
                    f"{path.relative_to(ROOT)} is stale: run python tools/generate_models.py {name}"
                )
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(
            f"{path.relative_to(ROOT)}: {text.count('TypedDict')} structures, {text.count('(AwsError)')} errors"
        )
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
