"""The one value that goes through the door: a Call, who makes it, and from where."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PrincipalKind = Literal["root", "user", "role", "federated", "service", "anonymous"]


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What temporary credentials remember of the call that made them."""

    issued_at: float
    expires_at: float
    policies: tuple[str, ...] | None = None
    """Session policies as JSON texts (None: none were passed; they only ever narrow)."""
    tags: dict[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    mfa_at: float | None = None
    federated_provider: str = ""
    chained: bool = False
    function: str = ""
    """The ARN of the Lambda function whose environment has them (lambda:SourceFunctionArn)."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls. `arn` is what GetCallerIdentity tells; for a role session `role_arn` is its role's."""

    kind: PrincipalKind
    account: str
    arn: str
    id: str = ""
    """The unique id: AIDA…, AROA…:session, the account for root."""
    access_key: str = ""
    role_arn: str = ""
    service: str = ""
    """A service's DNS name, e.g. "lambda.amazonaws.com", when `kind` is "service"."""
    session: SessionFacts | None = None


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """How a request to S3 was signed, which its policies can ask about (s3:authType, s3:signatureAge …)."""

    how: Literal["REST-HEADER", "REST-QUERY-STRING", "POST"]
    version: str
    at: float
    payload: str = ""
    """x-amz-content-sha256 as declared."""


class Within(msgspec.Struct, frozen=True):
    """The span of a sampled trace that something goes on in: the trace, its id, its parent's, since when (epoch seconds)."""

    root: str
    id: str
    parent: str
    began: float


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call comes from and what it is about: account and region it acts in, and what conditions ask."""

    account: str
    region: str
    request_id: str
    source_ip: str = ""
    secure: bool = False
    user_agent: str = ""
    referer: str = ""
    host: str = ""
    """The Host header the caller used, with its port: what URLs in answers are built from."""
    source_arn: str = ""
    """On whose behalf a service principal acts: the bucket, topic, API …"""
    source_account: str = ""
    called_via: tuple[str, ...] = ()
    trace: str = ""
    """The X-Ray trace header, handed on as it came."""
    within: Within | None = None
    """Set by the door where that trace is sampled; what the call sets off goes on within it."""
    signed: Signed | None = None
    """Only for requests to S3 themselves, not for what follows from them."""

    @property
    def came_safely(self) -> bool:
        """Whether nobody could listen: by TLS, over loopback, or never on a wire (docs/decisions/0004)."""
        ip = self.source_ip
        return self.secure or ip in ("", "::1") or ip.startswith("127.")


class Call(msgspec.Struct, frozen=True):
    """One operation to be done. `service` is botocore's name, `params` are in AWS's own member names."""

    service: str
    operation: str
    params: dict[str, Any]
    principal: Principal
    scope: Scope


ANONYMOUS = Principal(kind="anonymous", account="", arn="", id="anonymous")


def root_of(account: str, access_key: str = "") -> Principal:
    """The account itself: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user.html"""
    return Principal(
        kind="root",
        account=account,
        arn=f"arn:aws:iam::{account}:root",
        id=account,
        access_key=access_key,
    )


def service_principal(service: str, account: str) -> Principal:
    """An AWS service acting by itself, e.g. `service_principal("s3.amazonaws.com", owner)`.

    What it may do is judged by the resource's policy alone, with aws:SourceArn and aws:SourceAccount
    from the call's scope.
    """
    return Principal(kind="service", account=account, arn=service, id=service, service=service)
