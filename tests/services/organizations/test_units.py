"""Organizational units. https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_ous.html"""

from __future__ import annotations

import re


def test_the_life_of_a_unit(org, organization, root, refused) -> None:
    made = org.create_organizational_unit(
        ParentId=root, Name="team", Tags=[{"Key": "a", "Value": "1"}]
    )["OrganizationalUnit"]
    id = made["Id"]
    assert re.fullmatch(rf"ou-{root[2:]}-[a-z0-9]{{8}}", id)
    assert made["Arn"].endswith(f":ou/{organization['Id']}/{id}")
    again = refused(org.create_organizational_unit, ParentId=root, Name="team")
    assert again[0] == "DuplicateOrganizationalUnitException"
    org.update_organizational_unit(OrganizationalUnitId=id, Name="crew")
    shown = org.describe_organizational_unit(OrganizationalUnitId=id)["OrganizationalUnit"]
    assert shown["Name"] == "crew"
    below = org.create_organizational_unit(ParentId=id, Name="team")["OrganizationalUnit"]["Id"]
    listed = org.list_organizational_units_for_parent(ParentId=id)["OrganizationalUnits"]
    assert [each["Id"] for each in listed] == [below]
    assert org.list_children(ParentId=id, ChildType="ORGANIZATIONAL_UNIT")["Children"] == [
        {"Id": below, "Type": "ORGANIZATIONAL_UNIT"}
    ]
    accounts = org.list_children(ParentId=root, ChildType="ACCOUNT")["Children"]
    assert [each["Id"] for each in accounts] == [organization["MasterAccountId"]]
    assert org.list_parents(ChildId=id)["Parents"] == [{"Id": root, "Type": "ROOT"}]
    code = "OrganizationalUnitNotEmptyException"
    assert refused(org.delete_organizational_unit, OrganizationalUnitId=id)[0] == code
    for each in (below, id):
        org.delete_organizational_unit(OrganizationalUnitId=each)
    code = "OrganizationalUnitNotFoundException"
    assert refused(org.describe_organizational_unit, OrganizationalUnitId=id)[0] == code
    assert refused(org.create_organizational_unit, ParentId=id, Name="x")[0] == (
        "ParentNotFoundException"
    )


def test_five_levels(org, root, refused) -> None:
    parent = root
    for _ in range(5):
        made = org.create_organizational_unit(ParentId=parent, Name="level")
        parent = made["OrganizationalUnit"]["Id"]
    assert refused(org.create_organizational_unit, ParentId=parent, Name="level") == (
        "ConstraintViolationException",
        "OU_DEPTH_LIMIT_EXCEEDED",
    )
