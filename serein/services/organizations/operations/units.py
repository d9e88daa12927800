"""Organizational units, and what is below and above what.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_ous.html
"""

from __future__ import annotations

from msgspec.structs import replace

from serein.kernel.operations import Read, Tx, operation
from serein.services.organizations.access import (
    Answer,
    Request,
    check_parent,
    find_unit,
    managed_organization,
    on_target,
    on_unit,
    page,
    parents_of,
    readable_organization,
)
from serein.services.organizations.effects import attach_full_access, forget_target
from serein.services.organizations.model import (
    ChildNotFoundException,
    DuplicateOrganizationalUnitException,
    OrganizationalUnitNotEmptyException,
)
from serein.services.organizations.records import ACCOUNTS, UNITS, Organization, Unit
from serein.services.organizations.rules.errors import constraint_violation
from serein.services.organizations.rules.ids import unit_id
from serein.services.organizations.rules.tags import tags_of_request

UNITS_MAX = 2000
DEPTH_MAX = 5


def show_unit(read: Read, organization: Organization, unit: Unit) -> Answer:
    """A unit as the API has it."""
    path = parents_of(read, organization, unit.id)
    return {
        "Id": unit.id,
        "Arn": organization.arn_of("ou", unit.id),
        "Name": unit.name,
        "Path": "/".join((organization.id, *path)) + "/",
    }


def _check_name(read: Read, organization: Organization, parent: str, name: str, own: str) -> None:
    for unit in read.scan(UNITS, (organization.id,)):
        if unit.parent == parent and unit.name == name and unit.id != own:
            raise DuplicateOrganizationalUnitException("An OU with the same name already exists.")


@operation("CreateOrganizationalUnit", on=on_target)
def create_organizational_unit(tx: Tx, request: Request) -> Answer:
    """Make a unit below the root or another one."""
    organization = managed_organization(tx)
    parent = request["ParentId"]
    check_parent(tx, organization, parent)
    tags = tags_of_request(request)
    _check_name(tx, organization, parent, request["Name"], "")
    if tx.count(UNITS, (organization.id,)) >= UNITS_MAX:
        raise constraint_violation(
            "OU_NUMBER_LIMIT_EXCEEDED",
            "You have exceeded the number of OUs that you can have in an organization.",
        )
    if len(parents_of(tx, organization, parent)) > DEPTH_MAX:
        raise constraint_violation(
            "OU_DEPTH_LIMIT_EXCEEDED",
            "You have exceeded the number of levels that an OU tree can have.",
        )
    unit = Unit(
        organization=organization.id,
        id=unit_id(organization.root, tx.randomness),
        name=request["Name"],
        parent=parent,
        created_at=tx.now,
    )
    tx.put(UNITS, unit)
    tx.tag(organization.arn_of("ou", unit.id), tags)
    if organization.all_features:
        attach_full_access(tx, organization, unit.id)
    return {"OrganizationalUnit": show_unit(tx, organization, unit)}


@operation("DescribeOrganizationalUnit", on=on_unit)
def describe_organizational_unit(read: Read, request: Request) -> Answer:
    """A unit."""
    organization = readable_organization(read)
    unit = find_unit(read, organization, request["OrganizationalUnitId"])
    return {"OrganizationalUnit": show_unit(read, organization, unit)}


@operation("UpdateOrganizationalUnit", on=on_unit)
def update_organizational_unit(tx: Tx, request: Request) -> Answer:
    """Give a unit another name."""
    organization = managed_organization(tx)
    unit = find_unit(tx, organization, request["OrganizationalUnitId"])
    if request.get("Name") is not None:
        _check_name(tx, organization, unit.parent, request["Name"], unit.id)
        unit = replace(unit, name=request["Name"])
        tx.put(UNITS, unit)
    return {"OrganizationalUnit": show_unit(tx, organization, unit)}


@operation("DeleteOrganizationalUnit", on=on_unit)
def delete_organizational_unit(tx: Tx, request: Request) -> Answer:
    """Remove a unit that is empty."""
    organization = managed_organization(tx)
    unit = find_unit(tx, organization, request["OrganizationalUnitId"])
    if any(each.parent == unit.id for each in tx.scan(UNITS, (organization.id,))) or any(
        account.parent == unit.id for account in tx.scan(ACCOUNTS, (organization.id,))
    ):
        raise OrganizationalUnitNotEmptyException(
            "The specified OU is not empty. Move all accounts to another root or to other OUs, remove all child OUs, "
            "and try the operation again."
        )
    forget_target(tx, organization, unit.id)
    tx.untag(organization.arn_of("ou", unit.id))
    tx.delete(UNITS, organization.id, unit.id)
    return {}


@operation("ListOrganizationalUnitsForParent", on=on_target)
def list_organizational_units_for_parent(read: Read, request: Request) -> Answer:
    """The units right below the root or a unit."""
    organization = readable_organization(read)
    parent = request["ParentId"]
    check_parent(read, organization, parent)
    units = (unit for unit in read.scan(UNITS, (organization.id,)) if unit.parent == parent)
    return page(
        "units",
        "OrganizationalUnits",
        units,
        request,
        lambda unit: show_unit(read, organization, unit),
        lambda unit: unit.id,
    )


@operation("ListChildren", on=on_target)
def list_children(read: Read, request: Request) -> Answer:
    """The units or accounts right below the root or a unit."""
    organization = readable_organization(read)
    parent, kind = request["ParentId"], request["ChildType"]
    check_parent(read, organization, parent)
    if kind == "ACCOUNT":
        accounts = read.scan(ACCOUNTS, (organization.id,))
        ids = [account.id for account in accounts if account.parent == parent]
    else:
        units = read.scan(UNITS, (organization.id,))
        ids = [unit.id for unit in units if unit.parent == parent]
    return page(
        "children", "Children", ids, request, lambda id: {"Id": id, "Type": kind}, lambda id: id
    )


@operation("ListParents", on=on_target)
def list_parents(read: Read, request: Request) -> Answer:
    """What a unit or account is right below of: one root or unit."""
    organization = readable_organization(read)
    child = request["ChildId"]
    found = read.get(ACCOUNTS, organization.id, child) or read.get(UNITS, organization.id, child)
    if found is None:
        raise ChildNotFoundException("You specified a child that doesn't exist.")
    kind = "ROOT" if found.parent == organization.root else "ORGANIZATIONAL_UNIT"
    return {"Parents": [{"Id": found.parent, "Type": kind}]}
