"""Trusted services and delegated administrators.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_integrate_services.html
"""

from __future__ import annotations

SERVICE = "config.amazonaws.com"


def test_service_access(org, organization, refused) -> None:
    org.enable_aws_service_access(ServicePrincipal=SERVICE)
    (listed,) = org.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
    assert listed["ServicePrincipal"] == SERVICE
    org.disable_aws_service_access(ServicePrincipal=SERVICE)
    assert org.list_aws_service_access_for_organization()["EnabledServicePrincipals"] == []
    assert refused(org.enable_aws_service_access, ServicePrincipal="nothing") == (
        "InvalidInputException",
        "UNRECOGNIZED_SERVICE_PRINCIPAL",
    )


def test_delegated_administrators(cloud, org, organization, member, refused) -> None:
    register = {"AccountId": member, "ServicePrincipal": SERVICE}
    org.register_delegated_administrator(**register)
    assert refused(org.register_delegated_administrator, **register)[0] == (
        "AccountAlreadyRegisteredException"
    )
    (listed,) = org.list_delegated_administrators()["DelegatedAdministrators"]
    assert listed["Id"] == member
    (service,) = org.list_delegated_services_for_account(AccountId=member)["DelegatedServices"]
    assert service["ServicePrincipal"] == SERVICE
    assert refused(org.remove_account_from_organization, AccountId=member)[1] == (
        "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG"
    )
    org.deregister_delegated_administrator(**register)
    assert refused(org.deregister_delegated_administrator, **register)[0] == (
        "AccountNotRegisteredException"
    )
    own = {"AccountId": cloud.account, "ServicePrincipal": SERVICE}
    assert refused(org.register_delegated_administrator, **own)[1] == (
        "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"
    )
