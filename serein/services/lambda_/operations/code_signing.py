"""Code signing configurations: what a function's deployments are held to.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from serein.base.ids import LOWER_ALPHANUMERIC, new_text
from serein.kernel import pages
from serein.kernel.calls import Call
from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import find_latest, function_of, name_of, settings_of
from serein.services.lambda_.model import (
    CodeSigningConfigNotFoundException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from serein.services.lambda_.records import (
    CODE_SIGNING,
    SETTINGS,
    Answer,
    CodeSigningConfig,
    Request,
)
from serein.services.lambda_.rules.configuration import iso_time, page_start

_PAGE_SIZE = 50


def configuration_of_call(call: Call) -> str:
    """The ARN of the configuration that a call is about."""
    return str(call.params["CodeSigningConfigArn"])


@operation("CreateCodeSigningConfig")
def create_code_signing_config(tx: Tx, request: Request) -> Answer:
    """Say who may sign, and what happens to deployments that nobody of them signed."""
    config = CodeSigningConfig(
        account=tx.account,
        region=tx.region,
        id="csc-" + new_text(tx.randomness, LOWER_ALPHANUMERIC, 17),
        description=request.get("Description", ""),
        publishers=tuple(request["AllowedPublishers"]["SigningProfileVersionArns"]),
        untrusted=request.get("CodeSigningPolicies", {}).get(
            "UntrustedArtifactOnDeployment", "Warn"
        ),
        modified_at=tx.now,
    )
    tx.put(CODE_SIGNING, config)
    if tags := request.get("Tags"):
        tx.tag(config.arn, tags)
    return {"CodeSigningConfig": _shown(config)}


@operation("GetCodeSigningConfig", on=configuration_of_call)
def get_code_signing_config(read: Read, request: Request) -> Answer:
    """A configuration."""
    return {"CodeSigningConfig": _shown(_find(read, request["CodeSigningConfigArn"]))}


@operation("UpdateCodeSigningConfig", on=configuration_of_call)
def update_code_signing_config(tx: Tx, request: Request) -> Answer:
    """Change what is given."""
    config = _find(tx, request["CodeSigningConfigArn"])
    changes: dict[str, Any] = {}
    if "Description" in request:
        changes["description"] = request["Description"]
    if "AllowedPublishers" in request:
        changes["publishers"] = tuple(request["AllowedPublishers"]["SigningProfileVersionArns"])
    if "CodeSigningPolicies" in request:
        changes["untrusted"] = request["CodeSigningPolicies"].get(
            "UntrustedArtifactOnDeployment", config.untrusted
        )
    if changes:
        config = msgspec.structs.replace(config, **changes, modified_at=tx.now)
        tx.put(CODE_SIGNING, config)
    return {"CodeSigningConfig": _shown(config)}


@operation("DeleteCodeSigningConfig", on=configuration_of_call)
def delete_code_signing_config(tx: Tx, request: Request) -> Answer:
    """Forget a configuration that no function uses."""
    config = _find(tx, request["CodeSigningConfigArn"])
    users = [s for s in tx.scan(SETTINGS, (tx.account,)) if s.code_signing_config == config.arn]
    if users:
        raise ResourceConflictException(
            "Code signing configuration is in use by one or more functions. Please remove it "
            "from the functions first.",
            fields={"Type": "User"},
        )
    tx.delete(CODE_SIGNING, config.account, config.region, config.id)
    tx.untag(config.arn)
    return {}


@operation("ListCodeSigningConfigs")
def list_code_signing_configs(read: Read, request: Request) -> Answer:
    """The account's configurations in the region."""
    after = page_start(request, "ListCodeSigningConfigs")
    page, token = pages.take_page(
        read.scan(CODE_SIGNING, (read.account, read.region), start=after, start_after=bool(after)),
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda c: pages.encode_token("ListCodeSigningConfigs", c.id),
    )
    return {"CodeSigningConfigs": [_shown(config) for config in page], "NextMarker": token}


@operation("ListFunctionsByCodeSigningConfig", on=configuration_of_call)
def list_functions_by_code_signing_config(read: Read, request: Request) -> Answer:
    """The ARNs of the functions that a configuration is put on."""
    config = _find(read, request["CodeSigningConfigArn"])
    after = page_start(request, "ListFunctionsByCodeSigningConfig")
    users = (
        settings
        for settings in read.scan(
            SETTINGS, (read.account, read.region), start=after, start_after=bool(after)
        )
        if settings.code_signing_config == config.arn
    )
    page, token = pages.take_page(
        users,
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda s: pages.encode_token("ListFunctionsByCodeSigningConfig", s.function),
    )
    prefix = f"arn:aws:lambda:{read.region}:{read.account}:function:"
    return {"FunctionArns": [prefix + s.function for s in page], "NextMarker": token}


@operation("PutFunctionCodeSigningConfig", on=function_of)
def put_function_code_signing_config(tx: Tx, request: Request) -> Answer:
    """Hold a function's deployments to a configuration, from now on."""
    config_or_refused(tx, request["CodeSigningConfigArn"])
    name = name_of(tx, request)
    find_latest(tx, name)
    arn = request["CodeSigningConfigArn"]
    tx.put(SETTINGS, msgspec.structs.replace(settings_of(tx, name), code_signing_config=arn))
    return {"CodeSigningConfigArn": arn, "FunctionName": name.name}


@operation("GetFunctionCodeSigningConfig", on=function_of)
def get_function_code_signing_config(read: Read, request: Request) -> Answer:
    """The configuration that a function is held to; nothing when there is none."""
    name = name_of(read, request)
    find_latest(read, name)
    arn = settings_of(read, name).code_signing_config
    return {"CodeSigningConfigArn": arn, "FunctionName": name.name} if arn else {}


@operation("DeleteFunctionCodeSigningConfig", on=function_of)
def delete_function_code_signing_config(tx: Tx, request: Request) -> Answer:
    """Hold a function to nothing any more."""
    name = name_of(tx, request)
    find_latest(tx, name)
    settings = settings_of(tx, name)
    if settings.code_signing_config:
        tx.put(SETTINGS, msgspec.structs.replace(settings, code_signing_config=""))
    return {}


def config_or_refused(read: Read, arn: str) -> CodeSigningConfig:
    """The configuration of that ARN. Raises CodeSigningConfigNotFoundException."""
    found = _config_or_none(read, arn)
    if found is None:
        raise CodeSigningConfigNotFoundException(
            "The code signing configuration cannot be found. Check that the provided "
            f"configuration is not deleted: {arn}.",
            fields={"Type": "User"},
        )
    return found


def _config_or_none(read: Read, arn: str) -> CodeSigningConfig | None:
    parts = arn.split(":")
    return read.get(CODE_SIGNING, parts[4], parts[3], parts[-1]) if len(parts) == 7 else None


def _find(read: Read, arn: str) -> CodeSigningConfig:
    found = _config_or_none(read, arn)
    if found is None:
        raise ResourceNotFoundException(
            f"The Lambda code signing configuration {arn} can not be found."
        )
    return found


def _shown(config: CodeSigningConfig) -> Answer:
    return {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.untrusted},
        "LastModified": iso_time(config.modified_at),
    }
