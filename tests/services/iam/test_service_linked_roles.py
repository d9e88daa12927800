"""Service-linked roles; expectations recorded in `TestIAMServiceRoles`."""

from __future__ import annotations

import re


def test_lifecycle(iam, refused) -> None:
    role = iam.create_service_linked_role(AWSServiceName="batch.amazonaws.com")["Role"]
    assert role["RoleName"] == "AWSServiceRoleForBatch"
    assert role["Path"] == "/aws-service-role/batch.amazonaws.com/"
    name = role["RoleName"]
    code, message = refused(iam.delete_role, RoleName=name)
    assert code == "UnmodifiableEntity"
    assert message == (
        "Cannot perform the operation on the protected role 'AWSServiceRoleForBatch' - this role is only modifiable by AWS"
    )
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert re.fullmatch(
        r"task/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch/[0-9a-f-]{36}", task
    )
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refused(iam.get_role, RoleName=name)[0] == "NoSuchEntity"


def test_suffix_not_allowed(iam, refused) -> None:
    told = refused(
        iam.create_service_linked_role, AWSServiceName="wafv2.amazonaws.com", CustomSuffix="x"
    )
    assert told == ("InvalidInput", "Custom suffix is not allowed for wafv2.amazonaws.com")
