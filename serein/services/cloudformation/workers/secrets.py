"""Dynamic references looked up where they point to, at the moment they are needed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

from __future__ import annotations

import orjson

from serein.engines.templates import DynamicReference
from serein.kernel.operations import Context
from serein.services.cloudformation.resources.interface import ResourceFailure


async def resolve_dynamic(cx: Context, references: list[DynamicReference]) -> dict[str, str]:
    """The answers by the references' texts. Raises the owner's AwsError, or ResourceFailure."""
    answers: dict[str, str] = {}
    for reference in references:
        if reference.service == "secretsmanager":
            answers[reference.text] = await _secret(cx, reference)
        else:
            answers[reference.text] = await _parameter(cx, reference)
    return answers


async def _parameter(cx: Context, reference: DynamicReference) -> str:
    name = f"{reference.name}:{reference.version}" if reference.version else reference.name
    is_secure = reference.service == "ssm-secure"
    call = cx.make_call("ssm", "GetParameter", {"Name": name, "WithDecryption": is_secure})
    return str((await cx.call(call))["Parameter"]["Value"])


async def _secret(cx: Context, reference: DynamicReference) -> str:
    params = {"SecretId": reference.name}
    if reference.stage:
        params["VersionStage"] = reference.stage
    if reference.version:
        params["VersionId"] = reference.version
    answer = await cx.call(cx.make_call("secretsmanager", "GetSecretValue", params))
    text = str(answer.get("SecretString", ""))
    if not reference.json_key:
        return text
    try:
        value = orjson.loads(text)[reference.json_key]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ResourceFailure(
            f"Could not find a value associated with JSONKey {reference.json_key} in SecretString"
        ) from None
    return value if isinstance(value, str) else orjson.dumps(value).decode()
