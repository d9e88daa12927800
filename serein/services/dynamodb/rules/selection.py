"""What Query and Scan give back: Select, projections, filters, and whether an index can serve them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from serein.engines.expressions.conditions import Condition, check_values_defined
from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.engines.expressions.key_conditions import KeyCondition, KeyTerm
from serein.engines.expressions.legacy import (
    compile_attributes_to_get,
    compile_filter,
    key_terms,
)
from serein.engines.expressions.projections import Projection
from serein.services.dynamodb.records import Index, TableRecord
from serein.services.dynamodb.rules.expressions import (
    EXPRESSIONS,
    check_all_used,
    placeholders,
    refuse_mixture,
    request_values,
)
from serein.services.dynamodb.rules.plans import Plans

Request = Mapping[str, Any]

_QUERY_LEGACY = ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions")
_QUERY_EXPRESSIONS = ("ProjectionExpression", "FilterExpression", "KeyConditionExpression")
_SCAN_LEGACY = ("AttributesToGet", "ScanFilter", "ConditionalOperator")
_SCAN_EXPRESSIONS = ("ProjectionExpression", "FilterExpression")
_NOTHING: frozenset[str] = frozenset()


class Selection(msgspec.Struct, frozen=True, eq=False):
    """The parts of a request that say which rows to give and what of them."""

    terms: list[KeyTerm]
    filter: Condition | None
    values: Mapping[str, Any]
    projection: Projection | None
    select: str


class SelectionPlan(msgspec.Struct, frozen=True, eq=False):
    """The checked expressions of a Query or Scan, and its effective Select."""

    key_condition: KeyCondition | None
    filter: Condition | None
    projection: Projection | None
    select: str


_PARAMETERS = (*_QUERY_EXPRESSIONS, "Select", "IndexName")
_QUERIES: Plans[SelectionPlan] = Plans(_PARAMETERS, _QUERY_LEGACY)
_SCANS: Plans[SelectionPlan] = Plans(_PARAMETERS, _SCAN_LEGACY)


def parse_query(request: Request) -> Selection:
    """The selection of a Query. Raises ValidationException."""
    values = request_values(request)
    plan = _QUERIES.find(request, _plan_query)
    if plan.filter is not None:
        plan.filter.check(values)
    if plan.key_condition is None:
        terms = key_terms(request["KeyConditions"])
    else:
        terms = plan.key_condition.terms(values)
    return Selection(terms, plan.filter, values, plan.projection, plan.select)


def parse_scan(request: Request) -> Selection:
    """The selection of a Scan. Raises ValidationException."""
    values = request_values(request)
    plan = _SCANS.find(request, _plan_scan)
    if plan.filter is not None:
        plan.filter.check(values)
    return Selection([], plan.filter, values, plan.projection, plan.select)


def _plan_query(request: Request) -> SelectionPlan:
    refuse_mixture(request, _QUERY_LEGACY, _QUERY_EXPRESSIONS)
    if "KeyConditions" not in request and "KeyConditionExpression" not in request:
        raise ValidationException(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified "
            "in the request."
        )
    names, values = placeholders(request, ("FilterExpression", "KeyConditionExpression"))
    key_condition: KeyCondition | None = None
    if "KeyConditionExpression" in request:
        key_condition = EXPRESSIONS.key_condition(request["KeyConditionExpression"], names)
    return _plan(request, names, values, "QueryFilter", key_condition)


def _plan_scan(request: Request) -> SelectionPlan:
    refuse_mixture(request, _SCAN_LEGACY, _SCAN_EXPRESSIONS)
    names, values = placeholders(request, ("FilterExpression",))
    return _plan(request, names, values, "ScanFilter", None)


def _plan(
    request: Request,
    names: Mapping[str, str] | None,
    values: Mapping[str, Any],
    legacy_filter: str,
    key_condition: KeyCondition | None,
) -> SelectionPlan:
    projection: Projection | None = None
    found: Condition | None = None
    names_used = values_used = _NOTHING
    if key_condition is not None:
        check_values_defined(key_condition.parameter, key_condition.values_in_order, values)
        names_used, values_used = key_condition.names_used, key_condition.values_used
    if "FilterExpression" in request:
        found = EXPRESSIONS.condition(request["FilterExpression"], names, "FilterExpression")
        check_values_defined(found.parameter, found.values_in_order, values)
        names_used |= found.names_used
        values_used |= found.values_used
    elif request.get(legacy_filter):
        found = compile_filter(request[legacy_filter], request.get("ConditionalOperator"))
    elif "ConditionalOperator" in request:
        raise ValidationException("ConditionalOperator cannot be used without Filter or Expected")
    if "ProjectionExpression" in request:
        projection = EXPRESSIONS.projection(request["ProjectionExpression"], names)
        names_used |= projection.names_used
    elif request.get("AttributesToGet"):
        projection = compile_attributes_to_get(request["AttributesToGet"])
    check_all_used(request, names_used, values_used)
    return SelectionPlan(key_condition, found, projection, _selected(request, projection))


def _selected(request: Request, projection: Projection | None) -> str:
    """The effective Select. Raises ValidationException."""
    given = request.get("Select")
    if given is None:
        if projection is not None:
            return "SPECIFIC_ATTRIBUTES"
        return "ALL_PROJECTED_ATTRIBUTES" if "IndexName" in request else "ALL_ATTRIBUTES"
    parameter = "ProjectionExpression" if "ProjectionExpression" in request else "AttributesToGet"
    if given == "SPECIFIC_ATTRIBUTES":
        if projection is None:
            raise ValidationException(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get "
                "SPECIFIC_ATTRIBUTES"
            )
    elif projection is not None:
        what = "only the Count" if given == "COUNT" else str(given)
        raise ValidationException(f"Cannot specify the {parameter} when choosing to get {what}")
    if given == "ALL_PROJECTED_ATTRIBUTES" and "IndexName" not in request:
        raise ValidationException(
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
        )
    return str(given)


def check_index_serves(
    index: Index, table: TableRecord, selection: Selection, *, consistent: bool
) -> bool:
    """Whether rows must be completed from the table (local indexes can). Raises ValidationException."""
    if index.status != "ACTIVE":
        raise ValidationException(
            f"Cannot read from backfilling global secondary index: {index.name}"
        )
    if index.global_ and consistent:
        raise ValidationException("Consistent reads are not supported on global secondary indexes")
    kept = index.kept
    if kept is None:
        return False
    if selection.select == "ALL_ATTRIBUTES":
        if index.global_:
            raise parameter_invalid(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index "
                f"{index.name} because its projection type is not ALL"
            )
        return True
    if selection.projection is None:
        return False
    missing = selection.projection.roots - kept.union(table.key_names)
    if not missing:
        return False
    if index.global_:
        listed = ", ".join(sorted(missing))
        raise parameter_invalid(f"Global secondary index {index.name} does not project [{listed}]")
    return True


def check_filter_attributes(selection: Selection, keyed: TableRecord | Index) -> None:
    """A Query's filter is not about its key. Raises ValidationException."""
    if selection.filter is None:
        return
    for name in [key.name for key in keyed.keys]:
        if name in selection.filter.roots:
            kind = "Filter Expression" if selection.filter.parameter != "Filter" else "QueryFilter"
            raise ValidationException(
                f"{kind} can only contain non-primary key attributes: Primary key attribute: {name}"
            )
