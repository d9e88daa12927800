"""Function URLs: an HTTP address of a function's own.

https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
"""

from __future__ import annotations

import msgspec

from serein.base.ids import LOWER_ALPHANUMERIC, new_text
from serein.kernel import pages
from serein.kernel.operations import Read, Tx, operation
from serein.services.lambda_.access import find_function, find_latest, function_of, name_of
from serein.services.lambda_.model import ResourceConflictException, ResourceNotFoundException
from serein.services.lambda_.records import URLS, URLS_BY_ID, Answer, Request, UrlConfig
from serein.services.lambda_.rules.configuration import iso_time, page_start
from serein.services.lambda_.rules.names import FunctionName

_PAGE_SIZE = 50


@operation("CreateFunctionUrlConfig", on=function_of)
def create_function_url_config(tx: Tx, request: Request) -> Answer:
    """Give a function, or an alias of it, an address."""
    name = name_of(tx, request)
    find_function(tx, name)
    if tx.get(URLS, name.account, name.region, name.name, name.qualifier) is not None:
        raise ResourceConflictException(
            "Failed to create function url config for [functionArn = "
            f"{name.qualified_arn}]. Error message:  FunctionUrlConfig exists for this Lambda "
            "function",
            fields={"Type": "User"},
        )
    config = UrlConfig(
        account=name.account,
        region=name.region,
        function=name.name,
        qualifier=name.qualifier,
        id=new_text(tx.randomness, LOWER_ALPHANUMERIC, 32),
        auth_type=request["AuthType"],
        cors=request.get("Cors"),
        invoke_mode=request.get("InvokeMode", "BUFFERED"),
        created_at=tx.now,
        modified_at=tx.now,
    )
    tx.put(URLS, config)
    tx.put(URLS_BY_ID, config)
    answer = _shown(tx, name, config)
    del answer["LastModifiedTime"]
    return answer


@operation("GetFunctionUrlConfig", on=function_of)
def get_function_url_config(read: Read, request: Request) -> Answer:
    """A function's address."""
    name = name_of(read, request)
    return _shown(read, name, _find(read, name))


@operation("ListFunctionUrlConfigs", on=function_of)
def list_function_url_configs(read: Read, request: Request) -> Answer:
    """The addresses of a function and its aliases."""
    name = name_of(read, request)
    find_latest(read, name)
    after = page_start(request, "ListFunctionUrlConfigs")
    key = (name.account, name.region, name.name)
    page, token = pages.take_page(
        read.scan(URLS, key, start=after, start_after=bool(after)),
        min(request.get("MaxItems", _PAGE_SIZE), _PAGE_SIZE),
        lambda c: pages.encode_token("ListFunctionUrlConfigs", c.qualifier),
    )
    shown = [_shown(read, name._replace(qualifier=c.qualifier), c) for c in page]
    return {"FunctionUrlConfigs": shown, "NextMarker": token}


@operation("UpdateFunctionUrlConfig", on=function_of)
def update_function_url_config(tx: Tx, request: Request) -> Answer:
    """Change who may use an address, or from where browsers may."""
    name = name_of(tx, request)
    config = _find(tx, name)
    changed = msgspec.structs.replace(
        config,
        auth_type=request.get("AuthType", config.auth_type),
        cors=request.get("Cors", config.cors),
        invoke_mode=request.get("InvokeMode", config.invoke_mode),
        modified_at=tx.now,
    )
    tx.put(URLS, changed)
    tx.put(URLS_BY_ID, changed)
    return _shown(tx, name, changed)


@operation("DeleteFunctionUrlConfig", on=function_of)
def delete_function_url_config(tx: Tx, request: Request) -> Answer:
    """Take the address away."""
    name = name_of(tx, request)
    config = _find(tx, name)
    tx.delete(URLS, name.account, name.region, name.name, name.qualifier)
    tx.delete(URLS_BY_ID, config.id)
    return {}


def _find(read: Read, name: FunctionName) -> UrlConfig:
    config = read.get(URLS, name.account, name.region, name.name, name.qualifier)
    if config is None:
        raise ResourceNotFoundException(
            "The resource you requested does not exist.", fields={"Type": "User"}
        )
    return config


def _shown(read: Read, name: FunctionName, config: UrlConfig) -> Answer:
    port = read.scope.host.rpartition(":")[2] if ":" in read.scope.host else "4566"
    scheme = "https" if read.scope.secure else "http"
    host = f"{config.id}.lambda-url.{config.region}.localhost:{port}"
    shown: Answer = {
        "FunctionUrl": f"{scheme}://{host}/",
        "FunctionArn": name.qualified_arn,
        "AuthType": config.auth_type,
        "CreationTime": iso_time(config.created_at),
        "LastModifiedTime": iso_time(config.modified_at),
        "InvokeMode": config.invoke_mode,
    }
    if config.cors is not None:
        shown["Cors"] = config.cors
    return shown
