"""From a request to a checked template with its parameters: fetched, transformed, compiled, resolved."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import orjson

from serein.base.errors import AwsError
from serein.engines.templates import (
    EmbeddedTransform,
    GivenParameter,
    Pseudo,
    ResolvedParameter,
    ResourceValue,
    Scope,
    Template,
    TemplateError,
    Tree,
    Value,
    check_sections,
    compile_template,
    embedded_transforms,
    expand_loops,
    is_from_ssm,
    merged,
    parameters_of,
    parse_template,
    parse_value,
    resolve_parameters,
    transforms_of,
    with_value_at,
)
from serein.engines.templates.language_extensions import NAME as LANGUAGE_EXTENSIONS
from serein.engines.templates.parse import TEXT_BYTES_MAX
from serein.kernel.operations import Context, Read
from serein.services.cloudformation.records import EXPORTS, TEMPLATES, Resource, Stack

SERVERLESS = "AWS::Serverless-2016-10-31"
INCLUDE = "AWS::Include"
TRANSFORM_SECONDS_MAX = 60.0
TRANSFORMS_MAX = 50
_S3_HELP = (
    "For more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
)
_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "localhost.localstack.cloud"})


class TransformFailure(TemplateError):
    """A transform refused the template: a change set tells this in its status, everyone else in the answer."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A template ready to be planned or deployed. `original` is the text as given."""

    original: str
    processed: str
    template: Template
    parameters: dict[str, ResolvedParameter]
    transforms: tuple[str, ...]

    @property
    def extended(self) -> bool:
        """Whether the language extensions were asked for."""
        return LANGUAGE_EXTENSIONS in self.transforms


async def prepare(
    cx: Context, params: Mapping[str, Any], stack: Stack | None, facts: Pseudo
) -> Prepared:
    """All of it, for CreateStack, UpdateStack and CreateChangeSet. Raises TemplateError and its like."""
    text = await template_text(cx, params, stack)
    tree = parse_template(text)
    transforms = transforms_of(tree)
    previous = {p.key: p for p in stack.parameters} if stack is not None else None
    parameters = await resolved_parameters(cx, tree, given_parameters(params), previous)
    processed = await transformed(cx, tree, parameters, facts)
    template = compile_template(processed)
    return Prepared(
        original=text,
        processed=orjson.dumps(processed).decode(),
        template=template,
        parameters=parameters,
        transforms=transforms,
    )


def given_parameters(params: Mapping[str, Any]) -> list[GivenParameter]:
    """The request's Parameters."""
    return [
        GivenParameter(
            key=item.get("ParameterKey", ""),
            value=item.get("ParameterValue"),
            use_previous=item.get("UsePreviousValue") is True,
        )
        for item in params.get("Parameters") or ()
    ]


async def resolved_parameters(
    cx: Context,
    tree: Tree,
    given: list[GivenParameter],
    previous: Mapping[str, ResolvedParameter] | None,
) -> dict[str, ResolvedParameter]:
    """The parameters' values, those that live in the parameter store looked up."""
    resolved = resolve_parameters(parameters_of(tree), given, previous)
    stored = [p for p in resolved.values() if is_from_ssm(p.type)]
    if not stored:
        return resolved
    names = sorted({p.text for p in stored})
    answer = await cx.call(
        cx.make_call("ssm", "GetParameters", {"Names": names, "WithDecryption": False})
    )
    values = {item["Name"]: item["Value"] for item in answer.get("Parameters", ())}
    missing = [name for name in names if name not in values]
    if missing:
        raise TemplateError(
            f"Unable to fetch parameters [{', '.join(missing)}] from parameter store for this account."
        )
    for parameter in stored:
        resolved[parameter.key] = msgspec.structs.replace(
            parameter, resolved=values[parameter.text]
        )
    return resolved


async def template_text(cx: Context, params: Mapping[str, Any], stack: Stack | None) -> str:
    """The template's text: in the request, at its URL, or the stack's own."""
    body = params.get("TemplateBody")
    if body is not None:
        return str(body)
    url = params.get("TemplateURL")
    if url is not None:
        return await text_at(cx, str(url))
    if stack is None:
        raise TemplateError("Either Template URL or Template Body must be specified.")
    kept = cx.read().get(TEMPLATES, stack.id, "current")
    return kept.original if kept is not None else ""


async def text_at(cx: Context, url: str) -> str:
    """The object at an S3 address, read as the caller."""
    bucket, key, version = _place(url)
    params = {"Bucket": bucket, "Key": key}
    if version:
        params["VersionId"] = version
    try:
        answer = await cx.call(cx.make_call("s3", "GetObject", params))
        return (await _read(answer["Body"])).decode()
    except AwsError as error:
        raise TemplateError(f"S3 error: {error.message}\n{_S3_HELP}") from error
    except UnicodeDecodeError:
        raise TemplateError("Template format error: the template is not UTF-8 text.") from None


async def _read(body: Any) -> bytes:
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    parts: list[bytes] = []
    size = 0
    async for part in body:
        parts.append(part)
        size += len(part)
        if size > TEXT_BYTES_MAX:
            raise TemplateError(f"Template may not exceed {TEXT_BYTES_MAX} bytes in size.")
    return b"".join(parts)


def _place(url: str) -> tuple[str, str, str]:
    """Bucket, key and version of an object's URL: AWS's forms and those of our own endpoint."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme == "s3":
        raise TemplateError(f"S3 error: Domain name specified in {host} is not a valid S3 domain")
    if parts.scheme not in ("http", "https"):
        raise TemplateError("TemplateURL must be a supported URL.")
    path = unquote(parts.path).lstrip("/")
    version = next(
        (item[10:] for item in parts.query.split("&") if item.startswith("versionId=")), ""
    )
    first = host.split(".")[0]
    is_service = (
        host in _LOCAL_HOSTS or first == "s3" or (first.startswith("s3-") and "amazonaws" in host)
    )
    if is_service:
        bucket, _, key = path.partition("/")
    else:
        bucket, dot, rest = host.partition(".s3")
        known = rest.startswith((".", "-")) and rest.endswith(
            ("amazonaws.com", "amazonaws.com.cn", "localhost", "localhost.localstack.cloud")
        )
        if not dot or not known:
            raise TemplateError("TemplateURL must be a supported URL.")
        key = path
    if not bucket or not key:
        raise TemplateError("TemplateURL must be a supported URL.")
    return bucket, key, version


async def transformed(
    cx: Context, tree: Tree, parameters: Mapping[str, ResolvedParameter], facts: Pseudo
) -> Tree:
    """The template after its transforms, in the order that CloudFormation has: embedded ones first."""
    made = await _with_includes(cx, tree, parameters)
    for item in _listed(tree):
        name = item if isinstance(item, str) else str(as_tree(item).get("Name"))
        if name == LANGUAGE_EXTENSIONS:
            check_sections(made)
            made = expand_loops(_early_scope(made, parameters, facts), made)
        elif name == SERVERLESS:
            made = await _serverless(made, parameters, facts)
        elif name == INCLUDE:
            given = as_tree(as_tree(item).get("Parameters")) if not isinstance(item, str) else {}
            included = await _included(cx, given, parameters)
            made = as_tree(merged(made, included))
        else:
            raise TransformFailure(f"No transform named {facts.account}::{name} found.")
    made = {key: value for key, value in made.items() if key != "Transform"}
    return made


def as_tree(value: Value) -> Tree:
    """`value` if it is a map, else an empty one."""
    return value if isinstance(value, dict) else {}


def _listed(tree: Tree) -> Iterable[Value]:
    section = tree.get("Transform")
    if section is None:
        return ()
    return section if isinstance(section, list) else (section,)


def _early_scope(tree: Tree, parameters: Mapping[str, ResolvedParameter], facts: Pseudo) -> Scope:
    mappings: dict[str, dict[str, dict[str, Value]]] = {
        name: {key: as_tree(row) for key, row in as_tree(table).items()}
        for name, table in as_tree(tree.get("Mappings")).items()
    }
    return Scope(
        pseudo=facts,
        parameters={key: p.value for key, p in parameters.items()},
        mappings=mappings,
        conditions=as_tree(tree.get("Conditions")),
        planning=True,
        extended=True,
        decided={},
    )


async def _with_includes(
    cx: Context, tree: Tree, parameters: Mapping[str, ResolvedParameter]
) -> Tree:
    made: Value = tree
    for _ in range(TRANSFORMS_MAX):
        found: list[EmbeddedTransform] = embedded_transforms(made)
        if not found:
            return as_tree(made)
        first = found[0]
        if first.name != INCLUDE:
            raise TransformFailure(f"No transform named {cx.account}::{first.name} found.")
        included = await _included(cx, first.parameters, parameters)
        made = with_value_at(made, first.path, merged(first.siblings, included))
    raise TransformFailure(f"Template error: at most {TRANSFORMS_MAX} Fn::Transform are allowed")


async def _included(cx: Context, given: Tree, parameters: Mapping[str, ResolvedParameter]) -> Value:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-include.html"""
    location = given.get("Location")
    if isinstance(location, dict) and isinstance(location.get("Ref"), str):
        found = parameters.get(str(location["Ref"]))
        location = found.text if found else None
    if not isinstance(location, str) or not location.startswith("s3://"):
        raise TransformFailure(
            f"Transform {INCLUDE} failed with: The location parameter is not a valid S3 uri."
        )
    bucket, _, key = location[5:].partition("/")
    try:
        answer = await cx.call(cx.make_call("s3", "GetObject", {"Bucket": bucket, "Key": key}))
        return parse_value((await _read(answer["Body"])).decode())
    except UnicodeDecodeError:
        raise TransformFailure(
            f"Transform {INCLUDE} failed with: {location} is not text."
        ) from None
    except AwsError as error:
        words = error.message
        if error.code == "NoSuchBucket":
            words = f"S3 bucket [{bucket}] does not exist."
        raise TransformFailure(f"Transform {INCLUDE} failed with: {words}") from error


def _plain_environment() -> dict[str, str]:
    """Ours without what AWS's library would read of the user's own configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = os.devnull
    return {
        **kept,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


async def _serverless(
    tree: Tree, parameters: Mapping[str, ResolvedParameter], facts: Pseudo
) -> Tree:
    """The serverless transform, in a process of its own: its library costs memory that we do not want to keep."""
    request = orjson.dumps(
        {
            "template": tree,
            "parameters": {key: p.value for key, p in parameters.items()},
            "region": facts.region,
        }
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "serein.engines.templates.sam",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_plain_environment(),
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(request), TRANSFORM_SECONDS_MAX)
        answer = orjson.loads(out)
    except (TimeoutError, orjson.JSONDecodeError):
        raise TransformFailure(f"Transform {SERVERLESS} failed with: internal failure.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if "error" in answer:
        raise TransformFailure(str(answer["error"]))
    made: Tree = answer["template"]
    return made


ZONES = "abcdef"


def zones_of(region: str) -> tuple[str, ...]:
    """The availability zones Fn::GetAZs gives: six in us-east-1, three elsewhere."""
    return tuple(region + letter for letter in (ZONES if region == "us-east-1" else ZONES[:3]))


def pseudo_of(
    account: str, region: str, stack_id: str, name: str, arns: Iterable[str] = ()
) -> Pseudo:
    """The pseudo parameters of a stack."""
    return Pseudo(
        account=account,
        region=region,
        stack_id=stack_id,
        stack_name=name,
        notification_arns=tuple(arns),
    )


def exports_of(read: Read) -> dict[str, str]:
    """Every export of the account in the region, by name."""
    return {item.name: item.value for item in read.scan(EXPORTS, (read.account, read.region))}


def value_of(resource: Resource) -> ResourceValue:
    """What a deployed resource answers to Ref and GetAtt."""
    return ResourceValue(ref=resource.ref or resource.physical_id, attributes=resource.attributes)


def scope_for(
    template: Template,
    parameters: Mapping[str, ResolvedParameter],
    facts: Pseudo,
    resources: Mapping[str, ResourceValue],
    exports: Mapping[str, str],
    *,
    planning: bool = False,
    extended: bool = False,
) -> Scope:
    """What the template's expressions may look at."""
    return Scope(
        pseudo=facts,
        parameters={key: p.value for key, p in parameters.items()},
        mappings=template.mappings,
        conditions=template.conditions,
        resources=resources,
        exports=exports,
        zones={facts.region: zones_of(facts.region), **_other_zones()},
        planning=planning,
        extended=extended,
        decided={},
    )


def _other_zones() -> dict[str, tuple[str, ...]]:
    return {
        region: zones_of(region)
        for region in (
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
            "eu-west-1",
            "eu-central-1",
        )
    }
