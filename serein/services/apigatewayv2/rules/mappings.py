"""Parameter mappings of HTTP_PROXY integrations: append, overwrite and remove headers, query and path.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from serein.services.apigatewayv2.rules.payloads import Visit
from serein.services.apigatewayv2.rules.selections import Response, fill
from serein.wire.http import HeaderList

_TARGET = re.compile(
    r"(append|overwrite|remove):(header|querystring|path|statuscode)(?:\.([^\s]+))?"
)


class Changes:
    """Headers, query and path of a request (or headers and status of an answer) while mappings are applied."""

    def __init__(
        self, headers: HeaderList, query: list[tuple[str, str]], path: str, status: int = 0
    ) -> None:
        self.headers = headers
        self.query = query
        self.path = path
        self.status = status

    def apply(
        self, visit: Visit, mappings: Mapping[str, str], response: Response | None = None
    ) -> None:
        """Carry out `mappings` ({"append:header.x": "$request.header.y"})."""
        for target, source in mappings.items():
            found = _TARGET.fullmatch(target)
            if found is None:
                continue
            action, part, name = found.groups()
            value = "" if action == "remove" else fill(visit, source, response)
            if part == "header":
                self.headers = _changed(self.headers, action, name or "", value, fold=True)
            elif part == "querystring":
                self.query = _changed(self.query, action, name or "", value, fold=False)
            elif part == "path" and action == "overwrite":
                self.path = value
            elif part == "statuscode" and action == "overwrite" and value.isdigit():
                self.status = int(value)


def _changed(
    pairs: list[tuple[str, str]], action: str, name: str, value: str, *, fold: bool
) -> list[tuple[str, str]]:
    wanted = name.lower() if fold else name
    if action == "append":
        return [*pairs, (name, value)]
    left = [pair for pair in pairs if (pair[0].lower() if fold else pair[0]) != wanted]
    return left if action == "remove" else [*left, (name, value)]


def check_mapping(target: str) -> bool:
    """Whether `target` can be a key of RequestParameters or ResponseParameters."""
    return _TARGET.fullmatch(target) is not None
