"""Access advisor: which services an entity may use, and when it last did.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from __future__ import annotations

from collections.abc import Iterable

from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request, find_policy, page
from serein.services.iam.documents_of_entities import HeldPolicy, entity_of_arn, policies_held
from serein.services.iam.model import InvalidInputException, NoSuchEntityException
from serein.services.iam.policies_of_entities import document_or_none
from serein.services.iam.records import (
    ACCESS_JOBS,
    ATTACHED_TO,
    MEMBERS,
    ROLES,
    SERVICE_USES,
    USERS,
    AccessJob,
    Group,
    Role,
    ServiceUse,
    User,
)
from serein.services.iam.rules.services import service_names, services_allowed

JOBS_KEPT_S = 4 * 3600.0


def _on_entity(call: Call) -> str:
    return str(call.params["Arn"])


def _is_policy(arn: str) -> bool:
    return ":policy/" in arn


@operation("GenerateServiceLastAccessedDetails", on=_on_entity)
def generate_service_last_accessed_details(tx: Tx, request: Request) -> Answer:
    """Ask for the report of a user, group, role or policy; it is there at once.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateServiceLastAccessedDetails.html
    """
    arn = request["Arn"]
    if _is_policy(arn):
        find_policy(tx, arn)
    else:
        entity_of_arn(tx, arn)
    for old in list(tx.scan(ACCESS_JOBS, (tx.account,))):
        if tx.now - old.created_at > JOBS_KEPT_S:
            tx.delete(ACCESS_JOBS, tx.account, old.id)
    job = AccessJob(
        account=tx.account,
        id=tx.new_id(),
        arn=arn,
        granularity=request.get("Granularity") or "SERVICE_LEVEL",
        created_at=tx.now,
    )
    tx.put(ACCESS_JOBS, job)
    return {"JobId": job.id}


@operation("GetServiceLastAccessedDetails")
def get_service_last_accessed_details(read: Read, request: Request) -> Answer:
    """The report: every service that the entity's policies reach, with the last use (told with a minute's delay)."""
    job = _find_job(read, request)
    users = list(_principals(read, job.arn))
    names = service_names()
    uses: dict[str, list[ServiceUse]] = {}
    for arn in users:
        for use in read.scan(SERVICE_USES, (read.account, arn)):
            uses.setdefault(use.service, []).append(use)

    def show(prefix: str) -> Answer:
        shown: Answer = {
            "ServiceName": names.get(prefix, prefix),
            "ServiceNamespace": prefix,
            "TotalAuthenticatedEntities": len(uses.get(prefix, ())),
        }
        if prefix in uses:
            last = max(uses[prefix], key=lambda use: use.at)
            shown["LastAuthenticated"] = last.at
            shown["LastAuthenticatedEntity"] = last.entity
            shown["LastAuthenticatedRegion"] = last.region
        return shown

    listing = page(
        "last_accessed",
        "ServicesLastAccessed",
        sorted(_services(read, job.arn)),
        request,
        show,
        lambda prefix: prefix,
    )
    return {**_told_of(job), "JobType": job.granularity, **listing}


@operation("GetServiceLastAccessedDetailsWithEntities")
def get_service_last_accessed_details_with_entities(read: Read, request: Request) -> Answer:
    """Who of those that the report is about used one service."""
    job = _find_job(read, request)
    prefix = request["ServiceNamespace"]
    entities = [_entity_or_none(read, arn) for arn in _principals(read, job.arn)]

    def show(entity: User | Role) -> Answer:
        use = read.get(SERVICE_USES, read.account, entity.arn, prefix)
        kind = "USER" if isinstance(entity, User) else "ROLE"
        info = {
            "Arn": entity.arn,
            "Name": entity.name,
            "Type": kind,
            "Id": entity.id,
            "Path": entity.path,
        }
        return {"EntityInfo": info, "LastAuthenticated": None if use is None else use.at}

    found = sorted((each for each in entities if each is not None), key=lambda each: each.arn)
    listing = page(
        "last_accessed_entities",
        "EntityDetailsList",
        found,
        request,
        show,
        lambda entity: entity.arn,
    )
    return {**_told_of(job), **listing}


def _find_job(read: Read, request: Request) -> AccessJob:
    job = read.get(ACCESS_JOBS, read.account, request["JobId"])
    if job is None:
        raise NoSuchEntityException(f"Job {request['JobId']} cannot be found.")
    return job


def _told_of(job: AccessJob) -> Answer:
    return {
        "JobStatus": "COMPLETED",
        "JobCreationDate": job.created_at,
        "JobCompletionDate": job.created_at,
    }


def _services(read: Read, arn: str) -> set[str]:
    if _is_policy(arn):
        return services_allowed(document_or_none(read.snapshot, arn) or "{}")
    found: set[str] = set()
    for policy in policies_held(read, *entity_of_arn(read, arn)):
        found |= services_allowed(policy.document)
    return found


def _principals(read: Read, arn: str) -> Iterable[str]:
    """The users and roles that a report is about."""
    account = read.account
    if _is_policy(arn):
        arns: dict[str, None] = {}
        for each in read.scan(ATTACHED_TO, (account, arn)):
            if each.kind == "group":
                arns.update(dict.fromkeys(_members(read, each.owner)))
                continue
            owner = read.get(USERS if each.kind == "user" else ROLES, account, each.owner.lower())
            if owner is not None:
                arns[owner.arn] = None
        return arns
    entity = entity_of_arn(read, arn)[1]
    return _members(read, entity.name) if isinstance(entity, Group) else (arn,)


def _members(read: Read, group: str) -> list[str]:
    members = read.scan(MEMBERS, (read.account, group.lower()))
    users = (read.get(USERS, read.account, member.user.lower()) for member in members)
    return [user.arn for user in users if user is not None]


def _entity_or_none(read: Read, arn: str) -> User | Role | None:
    name = arn.rpartition("/")[2].lower()
    if ":user/" in arn:
        return read.get(USERS, read.account, name)
    return read.get(ROLES, read.account, name)


@operation("ListPoliciesGrantingServiceAccess", on=_on_entity)
def list_policies_granting_service_access(read: Read, request: Request) -> Answer:
    """Which of an entity's policies reach the given services.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPoliciesGrantingServiceAccess.html
    """
    arn = request["Arn"]
    held = list(policies_held(read, *entity_of_arn(read, arn)))
    reached = [(policy, services_allowed(policy.document)) for policy in held]
    wanted = list(dict.fromkeys(request["ServiceNamespaces"]))
    unknown = [prefix for prefix in wanted if prefix not in service_names()]
    if unknown:
        raise InvalidInputException(f"Invalid service namespace: {unknown[0]}")

    def show(prefix: str) -> Answer:
        granting = [policy for policy, services in reached if prefix in services]
        return {"ServiceNamespace": prefix, "Policies": [_show(each) for each in granting]}

    return page(
        "granting",
        "PoliciesGrantingServiceAccess",
        sorted(wanted),
        request,
        show,
        lambda prefix: prefix,
    )


def _show(policy: HeldPolicy) -> Answer:
    if policy.arn:
        return {"PolicyName": policy.name, "PolicyType": "MANAGED", "PolicyArn": policy.arn}
    return {
        "PolicyName": policy.name,
        "PolicyType": "INLINE",
        "EntityType": policy.owner_kind.upper(),
        "EntityName": policy.owner,
    }
