"""Repository creation templates: what a repository gets that is made by pushing to it.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates.html
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from serein.kernel import pages
from serein.kernel.operations import Read, Tx, operation
from serein.services.ecr.model import TemplateAlreadyExistsException, TemplateNotFoundException
from serein.services.ecr.operations.policies import checked_policy
from serein.services.ecr.operations.repositories import (
    exclusions_of,
    make_repository,
    page_start,
)
from serein.services.ecr.operations.tags import checked_tags
from serein.services.ecr.records import (
    LIFECYCLE_DOORBELL,
    REPOSITORIES,
    TEMPLATES,
    Answer,
    Repository,
    Request,
    Template,
)
from serein.services.ecr.rules.lifecycle import parse_lifecycle

ROOT = "ROOT"
_PAGE_SIZE = 100
_MEMBERS = (
    "description",
    "encryptionConfiguration",
    "resourceTags",
    "imageTagMutability",
    "imageTagMutabilityExclusionFilters",
    "repositoryPolicy",
    "lifecyclePolicy",
    "appliedFor",
    "customRoleArn",
)


def _checked(request: Request) -> dict[str, Any]:
    """What a request says of a template. Raises InvalidParameterException and the like."""
    checked_tags(request.get("resourceTags", ()))
    if "imageTagMutability" in request or "imageTagMutabilityExclusionFilters" in request:
        exclusions_of(request)
    if request.get("repositoryPolicy"):
        checked_policy(request["repositoryPolicy"], "Invalid repository policy provided")
    if request.get("lifecyclePolicy"):
        parse_lifecycle(request["lifecyclePolicy"])
    return {name: request[name] for name in _MEMBERS if name in request}


def _shown(template: Template) -> Answer:
    defaults = {
        "encryptionConfiguration": {"encryptionType": "AES256"},
        "imageTagMutability": "MUTABLE",
    }
    return {
        "prefix": template.prefix,
        **defaults,
        **template.shown,
        "createdAt": template.created_at,
        "updatedAt": template.updated_at,
    }


def _find(read: Read, prefix: str) -> Template:
    found = read.get(TEMPLATES, read.account, read.region, prefix)
    if found is None:
        raise TemplateNotFoundException(
            f"The Repository Creation Template with prefix '{prefix}' does not exist in the "
            f"registry with id '{read.account}'"
        )
    return found


@operation("CreateRepositoryCreationTemplate", ignores=("customRoleArn",))
def create_repository_creation_template(tx: Tx, request: Request) -> Answer:
    """Say what repositories below a prefix get."""
    prefix = request["prefix"]
    if tx.get(TEMPLATES, tx.account, tx.region, prefix) is not None:
        raise TemplateAlreadyExistsException(
            f"The Repository Creation Template with prefix '{prefix}' already exists in the "
            f"registry with id '{tx.account}'"
        )
    template = Template(
        account=tx.account,
        region=tx.region,
        prefix=prefix,
        created_at=tx.now,
        updated_at=tx.now,
        shown=_checked(request),
    )
    tx.put(TEMPLATES, template)
    return {"registryId": tx.account, "repositoryCreationTemplate": _shown(template)}


@operation("UpdateRepositoryCreationTemplate", ignores=("customRoleArn",))
def update_repository_creation_template(tx: Tx, request: Request) -> Answer:
    """Change what repositories below a prefix get."""
    before = _find(tx, request["prefix"])
    template = replace(before, updated_at=tx.now, shown={**before.shown, **_checked(request)})
    tx.put(TEMPLATES, template)
    return {"registryId": tx.account, "repositoryCreationTemplate": _shown(template)}


@operation("DeleteRepositoryCreationTemplate")
def delete_repository_creation_template(tx: Tx, request: Request) -> Answer:
    """Take a template away; repositories made with it stay as they are."""
    template = _find(tx, request["prefix"])
    tx.delete(TEMPLATES, tx.account, tx.region, template.prefix)
    return {"registryId": tx.account, "repositoryCreationTemplate": _shown(template)}


@operation("DescribeRepositoryCreationTemplates")
def describe_repository_creation_templates(read: Read, request: Request) -> Answer:
    """Templates by prefix, or all of them, page by page."""
    shown: Answer = {"registryId": read.account}
    if prefixes := request.get("prefixes"):
        found = [read.get(TEMPLATES, read.account, read.region, prefix) for prefix in prefixes]
        given = [_shown(template) for template in found if template is not None]
        return {**shown, "repositoryCreationTemplates": given}
    after = page_start(request, "DescribeRepositoryCreationTemplates")
    page, token = pages.take_page(
        read.scan(
            TEMPLATES, (read.account, read.region), start=tuple(after), start_after=bool(after)
        ),
        request.get("maxResults", _PAGE_SIZE),
        lambda one: pages.encode_token("DescribeRepositoryCreationTemplates", one.prefix),
    )
    given = [_shown(template) for template in page]
    return {**shown, "repositoryCreationTemplates": given, "nextToken": token}


def template_for(read: Read, account: str, region: str, name: str) -> Template | None:
    """The template for a repository that is pushed to before it exists: that of the longest prefix."""
    found = [
        template
        for template in read.scan(TEMPLATES, (account, region))
        if "CREATE_ON_PUSH" in template.shown.get("appliedFor", ())
        and (template.prefix == ROOT or name.startswith(template.prefix.rstrip("/") + "/"))
    ]
    return max(found, key=lambda t: (t.prefix != ROOT, len(t.prefix)), default=None)


def make_from_template(tx: Tx, name: str, template: Template) -> Repository:
    """A repository as a template has it."""
    shown = template.shown
    known = tx.get(REPOSITORIES, template.account, template.region, name)
    if known is not None:
        return known
    made = make_repository(tx, {**shown, "repositoryName": name})
    made = replace(
        made, policy=shown.get("repositoryPolicy", ""), lifecycle=shown.get("lifecyclePolicy", "")
    )
    tx.put(REPOSITORIES, made)
    tx.tag(made.arn, checked_tags(shown.get("resourceTags", ())))
    if made.lifecycle:
        tx.ring(LIFECYCLE_DOORBELL)
    return made
