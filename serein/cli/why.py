"""`serein why`: what was refused, by which policy, and what would allow it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from serein.cli.endpoint import endpoint_option
from serein.cli.house import ask_house

PATH = "/_serein/why"
NAMES = {
    "identity": "identity-based policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
    "session": "session policy",
    "boundary": "permissions boundary",
    "scp": "service control policy",
    "rcp": "resource control policy",
}


@click.command("why")
@click.argument("request", default="last", metavar="[REQUEST_ID|last]")
@click.option("--by", default="", help="Only refusals of this caller (an ARN, or its name).")
@click.option("-n", "count", default=1, show_default=True, help="So many of the latest.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@endpoint_option
def command(request: str, by: str, count: int, as_json: bool, endpoint: str) -> None:
    """Explain a refusal (AccessDenied): which policy, which statement, what was missing, what would allow it.

    REQUEST_ID is what the refused answer bears (x-amzn-requestid); without it, the latest refusal. You see what your own
    account's callers met and what happened to its resources, and need the permission sts:DecodeAuthorizationMessage.

    \b
      serein why
      serein why 3f2c…
      serein why --by my-role -n 5
    """
    told = ask_house(endpoint, "POST", PATH, {"id": request, "by": by, "count": count})
    refusals = told["refusals"]
    if as_json:
        click.echo(orjson.dumps(refusals, option=orjson.OPT_INDENT_2).decode())
        return
    if not refusals:
        click.echo("Nothing was refused so far.")
        return
    for index, refusal in enumerate(refusals):
        if index:
            click.echo()
        for line in lines_of(refusal):
            click.echo(line)


def lines_of(refusal: dict[str, Any]) -> Iterator[str]:
    """A refusal in words."""
    told = refusal["explanation"]
    at = datetime.fromtimestamp(refusal["at"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    verdict = "Would be refused (recorded)" if refusal["recorded"] else "Refused"
    yield click.style(f"{verdict}: {told['action']}", bold=True)
    yield f"  on   {told['resource']}"
    yield f"  by   {told['principal']}"
    yield f"  in   {refusal['service']}:{refusal['operation']}, request {refusal['request_id']}, {at}"
    yield ""
    yield f"Why: {_reason(told)}"
    considered = told["considered"]
    denying = [each for each in considered if each["effect"] == "Deny" and not each["failures"]]
    for each in denying:
        yield f"  {_place(each)} denies it."
        for held in each["held"]:
            yield f"    {_condition(held)} holds: the request has {_found(held)}"
    near = [each for each in considered if each["effect"] == "Allow" and each["failures"]]
    if near and not denying:
        yield "These allow the action, but not here:"
        for each in near:
            yield f"  {_place(each)}"
            for failure in each["failures"]:
                yield f"    {_failure(failure, each)}"
    allowing = [each for each in considered if each["effect"] == "Allow" and not each["failures"]]
    if allowing:
        yield "These do allow it, which alone is not enough:"
        for each in allowing:
            yield f"  {_place(each)}"
    yield from _remedies(told)


def _reason(told: dict[str, Any]) -> str:
    kind = told["kind"]
    name = NAMES.get(kind, kind or "policy")
    if told["outcome"] == "explicit_deny":
        return f"an explicit deny in {_article(name)} {name}. A deny wins over every allow."
    return f"no {name} allows it."


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def _place(each: dict[str, Any]) -> str:
    policy = each["policy"] or "the resource's own"
    sid = f' "{each["sid"]}"' if each["sid"] else ""
    return f"{NAMES[each['kind']]} {policy}, statement {each['index'] + 1}{sid}"


def _failure(failure: dict[str, Any], each: dict[str, Any]) -> str:
    element = failure["element"]
    if element == "Condition":
        return f"{_condition(failure)} does not hold: the request has {_found(failure)}"
    written = orjson.dumps(each["source"].get(element)).decode()
    return f"{element} {written} does not match {_found(failure)}"


def _condition(part: dict[str, Any]) -> str:
    wanted = ", ".join(part["wanted"]) or "nothing"
    return f"Condition {part['operator']} {part['key']} = {wanted}"


def _found(part: dict[str, Any]) -> str:
    found = part["found"]
    if found is None:
        return "no such key"
    return ", ".join(found) if any(found) else '""'


def _remedies(told: dict[str, Any]) -> Iterator[str]:
    remedies = told["remedies"]
    if not remedies:
        return
    yield ""
    yield "What would allow it:" if len(remedies) == 1 else "What would allow it, all of this:"
    for remedy in remedies:
        name = NAMES[remedy["kind"]]
        if remedy["change"] == "narrow":
            sid = f' "{remedy["sid"]}"' if remedy["sid"] else f" {remedy['index'] + 1}"
            where = f" of {remedy['policy']}" if remedy["policy"] else ""
            yield f"  narrow or remove statement{sid}{where} ({name})"
            continue
        level = "" if remedy["level"] is None else f", level {remedy['level']} from the root"
        where = f" {remedy['policy']}" if remedy["policy"] else ""
        yield f"  an Allow in {_article(name)} {name}{where}{level}{_of(told, remedy['kind'])}:"
        if remedy["statement"] is None:
            yield "    (its account's to say)"
            continue
        text = orjson.dumps(remedy["statement"], option=orjson.OPT_INDENT_2).decode()
        yield from (f"    {line}" for line in text.splitlines())


def _of(told: dict[str, Any], kind: str) -> str:
    if kind == "identity":
        return f" of {told['principal']}"
    if kind in ("resource", "trust"):
        return f" of {told['resource']}"
    if kind == "session":
        return " (given when the session was made)"
    return ""
