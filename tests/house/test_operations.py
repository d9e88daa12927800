"""Every operation is named in a test, exists in AWS's model, and its ignored parameters are the model's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from serein.assembly import Config, House

ROOT = Path(__file__).parents[2]
REGISTRY = House(Config(data=None)).registry
LOADER = Loader()


def words_of_tests(service: str) -> set[str]:
    folder = ROOT / "tests" / "services" / service.replace("-", "_")
    folders = [
        folder,
        folder.with_name(folder.name + "_"),
        ROOT / "tests" / "flows",
        ROOT / "tests" / "clients",
    ]
    words: set[str] = set()
    for place in folders:
        for path in place.rglob("*.py"):
            words.update(re.findall(r"\w+", path.read_text()))
    return words


def snake(name: str) -> str:
    text = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()


@pytest.mark.parametrize("service", sorted(REGISTRY.services))
def test_every_operation_is_tested(service: str) -> None:
    words = words_of_tests(service)
    missing = [
        operation
        for name, operation in sorted(REGISTRY.operations)
        if name == service
        and operation not in words
        and snake(operation) not in words
        and snake(operation).replace("v2", "_v2") not in words
    ]
    assert not missing, f"no test names {', '.join(missing)}"


@pytest.mark.parametrize("service", sorted(REGISTRY.services))
def test_operations_and_ignored_parameters_are_the_models(service: str) -> None:
    model = ServiceModel(LOADER.load_service_model(service, "service-2"), service)
    for (name, operation), found in REGISTRY.operations.items():
        if name != service:
            continue
        shape = model.operation_model(operation).input_shape
        members = shape.members if shape else {}
        for parameter in found.spec.ignores:
            assert parameter.split(".")[0].removesuffix("[]") in members, (
                f"{operation} has no {parameter}"
            )
