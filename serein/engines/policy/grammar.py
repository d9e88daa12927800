"""The grammar of policy documents, and AWS's words where one departs from it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
The parser for trust and resource policies names fields ("Missing required field Principal", "Has prohibited field
Resource"); the older one, for identity policies, has its own sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from serein.engines.policy.statements import PolicyKind

_VERSIONS = ("2008-10-17", "2012-10-17")
_TOP = frozenset({"Version", "Id", "Statement"})
_FIELDS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_SID = re.compile(r"[0-9A-Za-z]*")
_VENDOR = re.compile(r"[a-zA-Z0-9\-.]+")
_PARTITIONS = frozenset({"*", "aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b"})
_ACCOUNT = re.compile(r"[0-9*?]{0,12}|aws|third-party-aws|cloudfront|aws-marketplace|aws-managed")
_IAM_PATHS = (
    "user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
    "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
)  # fmt: skip
_TRUST_ACTIONS = frozenset(
    {
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:tagsession",
        "sts:setsourceidentity",
        "sts:setcontext",
    }
)
_PRINCIPAL_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_PRINCIPAL = re.compile(
    r"\*|\d{12}|[A-Z0-9]{16,128}"
    r"|arn:aws[a-z-]*:iam::(\d{12}|cloudfront):(root|user/.+|role/.+)"
    r"|arn:aws[a-z-]*:sts::\d{12}:(assumed-role/[^/]+/[^/]+|federated-user/.+)"
)


_CONTROL = (
    "The provided policy document does not meet the requirements of the specified policy type."
)
"""All that Organizations says of a control policy: https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreatePolicy.html"""


class MalformedPolicy(ValueError):
    """The document is no policy; the message is AWS's, for MalformedPolicyDocument (or a service's own code)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def control_error() -> MalformedPolicy:
    """What Organizations says of every control policy that is none."""
    return MalformedPolicy(_CONTROL)


def syntax_error(kind: PolicyKind) -> MalformedPolicy:
    """What AWS says when it says no more."""
    if kind in ("scp", "rcp"):
        return control_error()
    if kind in ("trust", "resource"):
        return MalformedPolicy("Invalid policy syntax.")
    return MalformedPolicy("Syntax errors in policy.")


def listed(value: Any) -> list[Any]:
    """A value that may stand alone, as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def check_top(document: Mapping[str, Any], kind: PolicyKind) -> None:
    """Check what stands beside the statements. Raises MalformedPolicy."""
    newer = kind in ("trust", "resource")
    for field in document:
        if field not in _TOP:
            raise MalformedPolicy(f"Unknown field {field}") if newer else syntax_error(kind)
    version = document.get("Version")
    if version is not None and version not in _VERSIONS:
        if newer:
            raise MalformedPolicy("The policy must contain a valid version string")
        raise syntax_error(kind)
    if not newer and version not in (None, "2012-10-17"):
        raise MalformedPolicy("Policy document must be version 2012-10-17 or greater.")
    if "Statement" not in document:
        raise MalformedPolicy("Missing required field Statement") if newer else syntax_error(kind)
    statements = listed(document["Statement"])
    if not statements or not all(isinstance(each, Mapping) for each in statements):
        raise syntax_error(kind)
    if not isinstance(document.get("Id", ""), str):
        raise syntax_error(kind)


def check_statement(statement: Mapping[str, Any], kind: PolicyKind) -> None:
    """Check one statement. Raises MalformedPolicy."""
    newer = kind in ("trust", "resource")
    for field in statement:
        if field not in _FIELDS:
            raise MalformedPolicy(f"Unknown field {field}") if newer else syntax_error(kind)
    _check_effect(statement, kind)
    _check_sid(statement, kind)
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if element in statement:
            entries = listed(statement[element])
            if not all(isinstance(entry, str) for entry in entries):
                raise syntax_error(kind)
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")):  # fmt: skip
        if one in statement and other in statement:
            raise syntax_error(kind)
    if kind == "rcp":
        _check_resource_control(statement)
    elif newer:
        _check_newer(statement, kind)
    else:
        _check_older(statement)
    _check_conditions(statement.get("Condition", {}), kind)


def _check_effect(statement: Mapping[str, Any], kind: PolicyKind) -> None:
    newer = kind in ("trust", "resource")
    effect = statement.get("Effect")
    if effect in ("Allow", "Deny"):
        return
    if not newer:
        if isinstance(effect, str) and effect.capitalize() in ("Allow", "Deny"):
            raise MalformedPolicy("The policy failed legacy parsing")
        raise syntax_error(kind)
    if "Effect" not in statement:
        raise MalformedPolicy("Missing required field Effect")
    raise MalformedPolicy(f"Invalid effect: {effect}")


def _check_sid(statement: Mapping[str, Any], kind: PolicyKind) -> None:
    sid = statement.get("Sid", "")
    if not isinstance(sid, str):
        raise syntax_error(kind)
    # A resource's policy may have spaces and more in its Sids (S3, SQS), an identity's may not.
    if kind != "resource" and not _SID.fullmatch(sid):
        raise MalformedPolicy(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
        )


def _check_newer(statement: Mapping[str, Any], kind: PolicyKind) -> None:
    actions = statement.get("Action", statement.get("NotAction"))
    if not actions:
        raise MalformedPolicy("Missing required field Action")
    if "Principal" not in statement and ("NotPrincipal" not in statement or kind == "trust"):
        raise MalformedPolicy("Missing required field Principal")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")), kind)
    if kind != "trust":
        return
    for element in ("Resource", "NotResource"):
        if element in statement:
            raise MalformedPolicy(f"Has prohibited field {element}")
    for action in listed(actions):
        lowered = action.lower()
        if lowered not in _TRUST_ACTIONS and not _covers_trust(lowered):
            raise MalformedPolicy("AssumeRole policy may only specify STS AssumeRole actions.")


_EVERYTHING = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def _check_resource_control(statement: Mapping[str, Any]) -> None:
    """A resource control policy only denies, to everyone, actions of named services; but for RCPFullAWSAccess.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html
    """
    if statement.get("Principal") not in ("*", {"AWS": "*"}) or "NotPrincipal" in statement:
        raise control_error()
    if {key: value for key, value in statement.items() if key != "Sid"} == _EVERYTHING:
        return
    actions = listed(statement.get("Action", ()))
    if statement["Effect"] != "Deny" or not actions or "*" in actions:
        raise control_error()
    for action in actions:
        _check_action(action)
    resources = statement.get("Resource", statement.get("NotResource"))
    if resources is None or not listed(resources):
        raise control_error()


def _covers_trust(action: str) -> bool:
    """`sts:AssumeRole*` and the like; a bare star names too much."""
    return action.startswith("sts:") and action.endswith("*")


def _check_principal(element: Any, kind: PolicyKind) -> None:
    if element == "*":
        return
    if not isinstance(element, Mapping):
        raise MalformedPolicy("Invalid principal in policy")
    if not element:
        raise MalformedPolicy("Invalid principal in policy")
    for name, values in element.items():
        if name not in _PRINCIPAL_KINDS:
            raise MalformedPolicy(f'Invalid principal in policy: "{name}"')
        entries = listed(values)
        for value in entries:
            if not isinstance(value, str) or (name == "AWS" and not _PRINCIPAL.fullmatch(value)):
                raise MalformedPolicy(f'Invalid principal in policy: "{name}":"{value}"')


def _check_older(statement: Mapping[str, Any]) -> None:
    if "Principal" in statement or "NotPrincipal" in statement:
        raise MalformedPolicy("Policy document should not specify a principal.")
    actions = statement.get("Action", statement.get("NotAction"))
    if actions is None or not listed(actions):
        raise MalformedPolicy("Policy statement must contain actions.")
    for action in listed(actions):
        _check_action(action)
    resources = statement.get("Resource", statement.get("NotResource"))
    if resources is None or not listed(resources):
        raise MalformedPolicy("Policy statement must contain resources.")
    for resource in listed(resources):
        _check_resource(resource)


def _check_action(action: str) -> None:
    if action == "*":
        return
    vendor, colon, rest = action.partition(":")
    if not colon or not vendor:
        raise MalformedPolicy(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        )
    if ":" in rest:
        raise MalformedPolicy("Actions/Condition can contain only one colon.")
    if not _VENDOR.fullmatch(vendor) and vendor != "*":
        raise MalformedPolicy(f"Vendor {vendor} is not valid")


def _check_resource(resource: str) -> None:
    if resource == "*":
        return
    parts = resource.split(":", 5)
    if parts[0] != "arn" or len(parts) < 3:
        if parts[0] == "arn":
            raise MalformedPolicy("The policy failed legacy parsing")
        raise MalformedPolicy(f'Resource {resource} must be in ARN format or "*".')
    if parts[1] not in _PARTITIONS and "${" not in parts[1]:
        raise MalformedPolicy(f'Partition "{parts[1]}" is not valid for resource "{resource}".')
    parts += ["*"] * (6 - len(parts))
    vendor, region, rest = parts[2], parts[3], parts[5]
    if "${" not in parts[4] and not _ACCOUNT.fullmatch(parts[4]):
        raise MalformedPolicy("The policy failed legacy parsing")
    if vendor in ("iam", "s3") and region not in ("", "*"):
        if vendor == "iam":
            raise MalformedPolicy(f"IAM resource {resource} cannot contain region information.")
        raise MalformedPolicy(f"Resource {resource} can not contain region information.")
    named = rest != "*" and not rest.startswith(_IAM_PATHS) and "*" not in rest.partition("/")[0]
    if vendor == "iam" and named and "${" not in rest and rest != "root":
        raise MalformedPolicy(
            'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, '
            "instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, "
            "report/, access-report/."
        )


def _check_conditions(element: Any, kind: PolicyKind) -> None:
    if not isinstance(element, Mapping):
        raise syntax_error(kind)
    for keys in element.values():
        if not isinstance(keys, Mapping):
            raise syntax_error(kind)


def condition_text(value: Any, kind: PolicyKind) -> str:
    """A condition's value as text; JSON truths and numbers stand for theirs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise syntax_error(kind)
    return value
