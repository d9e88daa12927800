"""From a table's properties to the calls of UpdateTable that bring it there.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.services.cloudformation.resources.interface import Properties, ResourceFailure, changed

_CAPACITIES = ("ProvisionedThroughput", "OnDemandThroughput", "WarmThroughput")
_ON_DEMAND = ("MaxReadRequestUnits", "MaxWriteRequestUnits")
_NO_MAXIMUM = -1


def stream_of(properties: Properties) -> dict[str, Any] | None:
    """The StreamSpecification of the API."""
    view = properties.get("StreamSpecification", {}).get("StreamViewType")
    return None if view is None else {"StreamEnabled": True, "StreamViewType": view}


def encryption_of(properties: Properties) -> dict[str, Any] | None:
    """The SSESpecification of the API."""
    given = properties.get("SSESpecification")
    if given is None:
        return None
    renamed = {"SSEEnabled": "Enabled"}
    return {renamed.get(name, name): value for name, value in given.items()}


def index_of(given: Properties) -> dict[str, Any]:
    """A global index as the API takes it: insights are switched on afterwards."""
    return {key: value for key, value in given.items() if key != "ContributorInsightsSpecification"}


def steps_between(properties: Properties, before: Properties) -> list[dict[str, Any]]:
    """The calls of UpdateTable: indexes that go, billing, settings, the stream, and one new index at a time."""
    if changed(properties, before, "VectorIndexes"):
        raise ResourceFailure("Vector indexes are not supported")
    after = {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", ())}
    was = {index["IndexName"]: index for index in before.get("GlobalSecondaryIndexes", ())}
    kept = [name for name in was if name in after and not _rebuilds(after[name], was[name])]
    steps: list[dict[str, Any]] = [
        {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]}
        for name in was
        if name not in kept
    ]
    switched = _mode(properties) != _mode(before)
    steps += _billing_steps(properties, before, [after[name] for name in kept])
    steps += _setting_steps(properties, before)
    for name, index in after.items():
        if name not in kept:
            create = {
                "AttributeDefinitions": properties.get("AttributeDefinitions"),
                "GlobalSecondaryIndexUpdates": [{"Create": index_of(index)}],
            }
            steps.append(create)
            continue
        change = _capacity_changes(index, was[name], _mode(properties), switched=switched)
        if change:
            update = {"Update": {"IndexName": name, **change}}
            steps.append({"GlobalSecondaryIndexUpdates": [update]})
    return steps


def _mode(properties: Properties) -> str:
    return str(properties.get("BillingMode", "PROVISIONED"))


def _billing_steps(
    properties: Properties, before: Properties, kept: list[Properties]
) -> list[dict[str, Any]]:
    """The change of the mode and its capacity: on leaving on-demand, the indexes get theirs in the same call."""
    mode = _mode(properties)
    change = _capacity_changes(properties, before, mode, switched=False)
    if mode == _mode(before):
        return [{name: value} for name, value in change.items()]
    step: dict[str, Any] = {"BillingMode": mode}
    if mode == "PROVISIONED":
        step["ProvisionedThroughput"] = properties.get("ProvisionedThroughput")
        if kept:
            step["GlobalSecondaryIndexUpdates"] = [
                {
                    "Update": {
                        "IndexName": index["IndexName"],
                        "ProvisionedThroughput": index.get("ProvisionedThroughput"),
                    }
                }
                for index in kept
            ]
    change.pop("ProvisionedThroughput", None)
    return [step, *({name: value} for name, value in change.items())]


def _capacity_changes(
    after: Properties, before: Properties, mode: str, *, switched: bool
) -> dict[str, Any]:
    """The capacities of a table or index that change and are of this mode; `switched`: the mode's call has set some."""
    found: dict[str, Any] = {
        name: after[name] for name in _CAPACITIES if name in after and changed(after, before, name)
    }
    if mode == "PROVISIONED":
        found.pop("OnDemandThroughput", None)
    else:
        found.pop("ProvisionedThroughput", None)
        maxima, were = after.get("OnDemandThroughput", {}), before.get("OnDemandThroughput", {})
        if maxima != were:
            found["OnDemandThroughput"] = {
                name: maxima.get(name, _NO_MAXIMUM)
                for name in _ON_DEMAND
                if name in maxima or name in were
            }
    if switched:
        found.pop("ProvisionedThroughput", None)
    return found


def _setting_steps(properties: Properties, before: Properties) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for key in ("DeletionProtectionEnabled", "TableClass"):
        if changed(properties, before, key):
            default: Any = False if key == "DeletionProtectionEnabled" else "STANDARD"
            steps.append({key: properties.get(key, default)})
    stream, stream_before = stream_of(properties), stream_of(before)
    if stream != stream_before:
        if stream_before is not None:
            steps.append({"StreamSpecification": {"StreamEnabled": False}})
        if stream is not None:
            steps.append({"StreamSpecification": stream})
    if changed(properties, before, "SSESpecification"):
        steps.append({"SSESpecification": encryption_of(properties) or {"Enabled": False}})
    return steps


def _rebuilds(index: dict[str, Any], before: dict[str, Any]) -> bool:
    return changed(index, before, "KeySchema", "Projection")


def is_done(step: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    """Whether a described table shows a step's work already, where UpdateTable would refuse to do it again.

    So it is when a step is repeated after a crash, and when an update is taken back that came only half way.
    """
    if "BillingMode" in step:
        mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        return bool(mode == step["BillingMode"]) and _shows(table, step, "ProvisionedThroughput")
    if "GlobalSecondaryIndexUpdates" in step:
        present = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes", ())}
        ((verb, change),) = step["GlobalSecondaryIndexUpdates"][0].items()
        index = present.get(change["IndexName"])
        if verb != "Update":
            return bool((index is not None) == (verb == "Create"))
        return index is not None and all(
            _shows(index, change, name) for name in change if name != "IndexName"
        )
    if "StreamSpecification" in step:
        wanted, now = step["StreamSpecification"], table.get("StreamSpecification", {})
        if not wanted["StreamEnabled"]:
            return now.get("StreamEnabled") is not True
        return bool(now.get("StreamViewType") == wanted["StreamViewType"])
    if "SSESpecification" in step:
        return not step["SSESpecification"].get("Enabled") and "SSEDescription" not in table
    return "ProvisionedThroughput" in step and _shows(table, step, "ProvisionedThroughput")


def _shows(described: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> bool:
    now = described.get(name, {})
    return all(now.get(key) == value for key, value in (wanted.get(name) or {}).items())
