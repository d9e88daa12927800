"""Which route a request matches.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.services.apigatewayv2.rules.route_keys import (
    InvalidRouteKey,
    RouteTree,
    check_route_key,
)

KEYS = [
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
    "POST /pets",
    "ANY /pets",
    "GET /a/{b}/c",
    "GET /",
    "$default",
]


def tree(*keys: str) -> RouteTree[str]:
    return RouteTree([(key, key) for key in keys])


@pytest.mark.parametrize(
    ("method", "path", "key", "values"),
    [
        # The documentation's own example.
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("POST", "/pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("POST", "/pets", "POST /pets", {}),
        ("PUT", "/pets", "ANY /pets", {}),
        ("GET", "/a/x/c", "GET /a/{b}/c", {"b": "x"}),
        ("GET", "/a/x/d", "ANY /{proxy+}", {"proxy": "a/x/d"}),
        ("GET", "/", "GET /", {}),
        ("POST", "/", "$default", {}),
    ],
)
def test_most_specific_route_wins(method, path, key, values) -> None:
    assert tree(*KEYS).match(method, path) == (key, values)


def test_nothing_matches_without_a_default() -> None:
    assert tree("GET /a").match("GET", "/b") is None
    assert tree("GET /a").match("POST", "/a") is None
    assert tree("GET /a/{id}").match("GET", "/a/") is None
    assert tree("GET /a").match("GET", "/a/") is None


@pytest.mark.parametrize(
    "key",
    [
        "GET",
        "GET pets",
        "get /pets",
        "TRACE /",
        "GET /a/{b",
        "GET /{a+}/b",
        "GET /x{a}",
        "$other",
        "",
    ],
)
def test_bad_keys(key: str) -> None:
    with pytest.raises(InvalidRouteKey):
        check_route_key(key)


SEGMENT = st.sampled_from(["a", "b", "{v}", "{w+}"])


@given(
    st.lists(st.tuples(st.sampled_from(["GET", "ANY"]), st.lists(SEGMENT, min_size=1, max_size=4))),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4),
)
def test_agrees_with_a_plain_search(routes, segments) -> None:
    """The tree finds what trying every route finds: the most specific by segment, a method before ANY."""
    keys = []
    for method, parts in routes:
        plain = [part for part in parts[:-1] if part != "{w+}"] + [parts[-1]]
        named = [part.replace("v", f"v{at}") for at, part in enumerate(plain)]
        keys.append(f"{method} /" + "/".join(named))
    best = None
    for key in keys:
        method, _, path = key.partition(" ")
        rank = []
        parts = path[1:].split("/")
        for at, part in enumerate(parts):
            if part.endswith("+}"):
                rank += [2] if at < len(segments) else [9]
                break
            if at >= len(segments) or (not part.startswith("{") and part != segments[at]):
                rank = [9]
                break
            rank.append(1 if part.startswith("{") else 0)
        else:
            if len(parts) != len(segments):
                rank = [9]
        if 9 not in rank:
            candidate = (rank, method == "ANY", key)
            best = min(best, candidate) if best else candidate
    found = tree(*keys).match("GET", "/" + "/".join(segments))
    assert (found and found[0]) == (best and best[2])
