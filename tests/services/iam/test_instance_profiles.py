"""Instance profiles. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2_instance-profiles.html"""

from __future__ import annotations


def test_lifecycle(iam, role, refused) -> None:
    made = iam.create_instance_profile(InstanceProfileName="p", Path="/x/")["InstanceProfile"]
    assert made["Roles"] == []
    assert made["InstanceProfileId"].startswith("AIPA")
    told = refused(iam.create_instance_profile, InstanceProfileName="p")
    assert told == ("EntityAlreadyExists", "Instance Profile p already exists.")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName=role)
    told = refused(iam.add_role_to_instance_profile, InstanceProfileName="p", RoleName=role)
    assert told == (
        "LimitExceeded",
        "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
    )
    got = iam.get_instance_profile(InstanceProfileName="p")["InstanceProfile"]
    assert [each["RoleName"] for each in got["Roles"]] == [role]
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="p")
    assert len(iam.list_instance_profiles()["InstanceProfiles"]) == 1
    assert len(iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"]) == 1
    told = refused(iam.delete_instance_profile, InstanceProfileName="p")
    assert told == (
        "DeleteConflict",
        "Cannot delete entity, must remove roles from instance profile first.",
    )
    iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName=role)
    iam.delete_instance_profile(InstanceProfileName="p")
    told = refused(iam.get_instance_profile, InstanceProfileName="p")
    assert told == ("NoSuchEntity", "Instance Profile p cannot be found.")


def test_a_role_can_be_put_into_one_only_by_who_may_pass_it(
    cloud, iam, user, role, document, refused
) -> None:
    iam.create_instance_profile(InstanceProfileName="p")
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = cloud.client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    iam.put_user_policy(
        UserName=user, PolicyName="a", PolicyDocument=document("iam:AddRoleToInstanceProfile")
    )
    code, message = refused(
        own.add_role_to_instance_profile, InstanceProfileName="p", RoleName=role
    )
    assert code == "AccessDenied"
    assert (
        "is not authorized to perform: iam:PassRole on resource: arn:aws:iam::000000000000:role/worker"
        in message
    )
    iam.put_user_policy(UserName=user, PolicyName="b", PolicyDocument=document("iam:PassRole"))
    own.add_role_to_instance_profile(InstanceProfileName="p", RoleName=role)
