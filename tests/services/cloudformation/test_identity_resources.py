"""The types of IAM and Organizations that `test_resources.py` does not have: created, changed, deleted.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.cloud import Cloud
from tests.services.iam.certificates import new_certificate
from tests.services.iam.test_saml_providers import metadata_of

ALLOW = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
}
DENY = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
        "Action": "organizations:ListAccounts",
        "Resource": "*",
    },
}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def identity() -> dict[str, Any]:
    """A template of IAM's types."""
    certificate, key = new_certificate()
    return {
        "Resources": {
            "Oidc": resource(
                "AWS::IAM::OIDCProvider",
                Url="https://issuer.example.com",
                ClientIdList=["a"],
                ThumbprintList=["0" * 40],
            ),
            "Saml": resource(
                "AWS::IAM::SAMLProvider", Name="idp", SamlMetadataDocument=metadata_of(certificate)
            ),
            "Certificate": resource(
                "AWS::IAM::ServerCertificate",
                ServerCertificateName="web",
                CertificateBody=certificate,
                PrivateKey=key,
            ),
            "Linked": resource(
                "AWS::IAM::ServiceLinkedRole",
                AWSServiceName="autoscaling.amazonaws.com",
                CustomSuffix="x",
            ),
            "User": resource("AWS::IAM::User", UserName="bob"),
            "Group": resource("AWS::IAM::Group", GroupName="team"),
            "Phone": resource(
                "AWS::IAM::VirtualMFADevice",
                VirtualMfaDeviceName="phone",
                Users=[{"Ref": "User"}],
            ),
            "OfUser": resource(
                "AWS::IAM::UserPolicy",
                UserName={"Ref": "User"},
                PolicyName="p",
                PolicyDocument=ALLOW,
            ),
            "OfGroup": resource(
                "AWS::IAM::GroupPolicy",
                GroupName={"Ref": "Group"},
                PolicyName="p",
                PolicyDocument=ALLOW,
            ),
        },
        "Outputs": {
            "Oidc": {"Value": {"Ref": "Oidc"}},
            "Uuid": {"Value": {"Fn::GetAtt": ["Saml", "SamlProviderUUID"]}},
            "Certificate": {"Value": {"Fn::GetAtt": ["Certificate", "Arn"]}},
            "Linked": {"Value": {"Ref": "Linked"}},
            "Phone": {"Value": {"Ref": "Phone"}},
        },
    }


class Stack:
    """One stack, seen through CloudFormation."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.cloudformation = cloud.client("cloudformation")

    def deploy(self, operation: str, template: dict[str, Any]) -> dict[str, str]:
        getattr(self.cloudformation, operation)(
            StackName="s",
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        self.cloud.settle()
        (stack,) = self.cloudformation.describe_stacks(StackName="s")["Stacks"]
        events = self.cloudformation.describe_stack_events(StackName="s")["StackEvents"]
        failed = [
            each.get("ResourceStatusReason")
            for each in events
            if "FAILED" in each["ResourceStatus"]
        ]
        assert stack["StackStatus"].removeprefix("UPDATE_").removeprefix("CREATE_") == (
            "COMPLETE"
        ), failed
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}

    def delete(self) -> None:
        id = self.cloudformation.describe_stacks(StackName="s")["Stacks"][0]["StackId"]
        self.cloudformation.delete_stack(StackName="s")
        self.cloud.settle()
        (stack,) = self.cloudformation.describe_stacks(StackName=id)["Stacks"]
        assert stack["StackStatus"] == "DELETE_COMPLETE"


def test_identity(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    stack, template = Stack(cloud), identity()
    outputs = stack.deploy("create_stack", template)
    assert outputs["Oidc"].endswith(":oidc-provider/issuer.example.com")
    assert outputs["Certificate"].endswith(":server-certificate/web")
    assert outputs["Linked"] == "AWSServiceRoleForAutoScaling_x"
    assert outputs["Phone"].endswith(":mfa/phone")
    assert iam.get_user_policy(UserName="bob", PolicyName="p")["PolicyDocument"] == ALLOW
    changed = copy.deepcopy(template)
    resources = changed["Resources"]
    resources["Oidc"]["Properties"].update(
        ClientIdList=["b"], ThumbprintList=["1" * 40], Tags=[{"Key": "a", "Value": "1"}]
    )
    resources["Saml"]["Properties"]["SamlMetadataDocument"] = metadata_of(new_certificate()[0])
    resources["Certificate"]["Properties"]["Path"] = "/web/"
    resources["Linked"]["Properties"]["Description"] = "d"
    resources["Phone"]["Properties"]["Tags"] = [{"Key": "a", "Value": "1"}]
    resources["OfGroup"]["Properties"]["PolicyDocument"] = DENY
    assert stack.deploy("update_stack", changed)["Certificate"].endswith("/web/web")
    provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=outputs["Oidc"])
    assert provider["ClientIDList"] == ["b"]
    assert provider["ThumbprintList"] == ["1" * 40]
    assert {"Key": "a", "Value": "1"} in provider["Tags"]
    assert iam.get_role(RoleName=outputs["Linked"])["Role"]["Description"] == "d"
    assert iam.get_group_policy(GroupName="team", PolicyName="p")["PolicyDocument"] == DENY
    stack.delete()
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_roles()["Roles"] == []


def test_organization(cloud: Cloud) -> None:
    organizations = cloud.client("organizations")
    stack = Stack(cloud)
    first = {"Resources": {"Org": resource("AWS::Organizations::Organization", FeatureSet="ALL")}}
    stack.deploy("create_stack", first)
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    rest = {
        "Unit": resource(
            "AWS::Organizations::OrganizationalUnit",
            Name="team",
            ParentId={"Fn::GetAtt": ["Org", "RootId"]},
        ),
        "Dev": resource(
            "AWS::Organizations::Account",
            AccountName="dev",
            Email="dev@example.com",
            ParentIds=[{"Ref": "Unit"}],
        ),
        "Scp": resource(
            "AWS::Organizations::Policy",
            Name="scp",
            Type="SERVICE_CONTROL_POLICY",
            Content=DENY,
            TargetIds=[{"Ref": "Unit"}],
        ),
        "Policy": resource("AWS::Organizations::ResourcePolicy", Content=TRUST),
    }
    template = {"Resources": {**first["Resources"], **rest}}
    stack.deploy("update_stack", template)
    unit = organizations.list_organizational_units_for_parent(ParentId=root)
    unit_id = unit["OrganizationalUnits"][0]["Id"]
    (dev,) = organizations.list_accounts_for_parent(ParentId=unit_id)["Accounts"]
    attached = organizations.list_policies_for_target(
        TargetId=unit_id, Filter="SERVICE_CONTROL_POLICY"
    )["Policies"]
    assert {each["Name"] for each in attached} == {"FullAWSAccess", "scp"}
    changed = copy.deepcopy(template)
    changed["Resources"]["Unit"]["Properties"]["Name"] = "crew"
    changed["Resources"]["Scp"]["Properties"].update(TargetIds=[{"Ref": "Dev"}], Content=ALLOW)
    stack.deploy("update_stack", changed)
    shown = organizations.describe_organizational_unit(OrganizationalUnitId=unit_id)
    assert shown["OrganizationalUnit"]["Name"] == "crew"
    attached = organizations.list_policies_for_target(
        TargetId=dev["Id"], Filter="SERVICE_CONTROL_POLICY"
    )["Policies"]
    assert {each["Name"] for each in attached} == {"FullAWSAccess", "scp"}
    stack.deploy("update_stack", {"Resources": {"Org": template["Resources"]["Org"]}})
    assert organizations.describe_account(AccountId=dev["Id"])["Account"]["Status"] == "SUSPENDED"
