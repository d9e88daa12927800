"""Function names in all the forms that AWS takes.

A name, `name:qualifier`, `account:function:name`, or an ARN with or without qualifier:
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import re
from typing import NamedTuple

from serein.services.lambda_.model import (
    InvalidParameterValueException,
    ResourceNotFoundException,
)

_FORM = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?\Z"
)
NAME_LENGTH_MAX = 64


class FunctionName(NamedTuple):
    """Whose function, which one, and which version or alias of it ("" if none was said)."""

    account: str
    region: str
    name: str
    qualifier: str

    @property
    def arn(self) -> str:
        """The ARN of the function alone."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """The ARN with the qualifier, if there is one."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def parse_name(text: str, qualifier: str | None, account: str, region: str) -> FunctionName:
    """The function that `text` and `qualifier` mean for a caller of `account` in `region`.

    Raises InvalidParameterValueException where they contradict each other.
    """
    match = _FORM.match(text)
    if match is None:
        raise InvalidParameterValueException(
            f"Invalid function name: {text}", fields={"Type": "User"}
        )
    said = match["qualifier"] or ""
    if said and qualifier and said != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier.",
            fields={"Type": "User"},
        )
    named_region = match["region"] or region
    return FunctionName(
        match["account"] or account, named_region, match["name"], said or qualifier or ""
    )


def check_region(name: FunctionName, region: str) -> None:
    """Raises ResourceNotFoundException for an ARN of another region."""
    if name.region != region:
        raise ResourceNotFoundException(
            f"Functions from '{name.region}' are not reachable in this region ('{region}')",
            fields={"Type": "User"},
        )


def not_found(arn: str) -> ResourceNotFoundException:
    """The function, version or alias is not there."""
    return ResourceNotFoundException(f"Function not found: {arn}", fields={"Type": "User"})
