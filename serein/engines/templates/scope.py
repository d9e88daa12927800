"""What an expression may look at while it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from serein.engines.templates.values import Tree, Value


class ResourceValue(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployed resource answers: `ref` to Ref, `attributes` to GetAtt."""

    ref: str
    attributes: Mapping[str, Value] = {}


class Pseudo(msgspec.Struct, frozen=True, kw_only=True):
    """The pseudo parameters.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
    """

    account: str
    region: str
    stack_id: str
    stack_name: str
    notification_arns: tuple[str, ...] = ()
    partition: str = "aws"
    url_suffix: str = "amazonaws.com"


class Scope(msgspec.Struct, kw_only=True):
    """Everything outside an expression that it may mention.

    With `planning` set, what is not known yet evaluates to `UNKNOWN`; otherwise asking for it is an error.
    `exports` are what other stacks export. `zones` are the availability zones by region.
    """

    pseudo: Pseudo
    parameters: Mapping[str, Value]
    mappings: Mapping[str, Mapping[str, Mapping[str, Value]]] = {}
    conditions: Tree = {}
    resources: Mapping[str, ResourceValue] = {}
    absent: frozenset[str] = frozenset()
    """Resources whose condition does not hold."""
    exports: Mapping[str, str] | None = None
    zones: Mapping[str, tuple[str, ...]] = {}
    planning: bool = False
    extended: bool = False
    """Whether the template asked for AWS::LanguageExtensions."""
    decided: dict[str, bool] = {}
    """Conditions evaluated so far (filled by `conditions.holds`)."""
