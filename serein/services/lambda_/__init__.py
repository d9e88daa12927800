"""AWS Lambda: functions, their versions, who may call them, what feeds them."""

from __future__ import annotations

from serein.kernel.services import Service, Site, Worker
from serein.services.lambda_.access import invalid, policy_of
from serein.services.lambda_.conditions import conditions_of
from serein.services.lambda_.functions import Functions
from serein.services.lambda_.operations import (
    aliases,
    code,
    code_signing,
    configurations,
    invocations,
    layer_policies,
    layers,
    mappings,
    permissions,
    provisioned,
    settings,
    streams,
    tags,
    urls,
    versions,
)
from serein.services.lambda_.records import HOLDS
from serein.services.lambda_.sites import downloads, function_urls
from serein.services.lambda_.workers.asynchronous import AsyncWorker
from serein.services.lambda_.workers.mappings import MappingsWorker
from serein.services.lambda_.workers.provisioning import ProvisioningWorker


def service(functions: Functions) -> Service:
    """The face of Lambda, over what runs its functions."""
    asynchronous = AsyncWorker(functions)
    pollers = MappingsWorker(functions)
    provisioning = ProvisioningWorker(functions)
    return Service(
        name="lambda",
        operations=(
            aliases,
            code_signing,
            configurations,
            layer_policies,
            layers,
            mappings,
            permissions,
            provisioned,
            settings,
            tags,
            urls,
            versions,
            code.operations(functions),
            invocations.operations(functions),
            streams.operations(functions),
            layers.operations(functions),
        ),
        policy_of=policy_of,
        invalid=invalid,
        keys_of=conditions_of,
        denied=("AccessDeniedException", 403),
        holds=HOLDS,
        workers=(
            Worker(name="lambda.functions", run=functions.run, everywhere=True),
            Worker(name="lambda.asynchronous", run=asynchronous.run),
            Worker(name="lambda.mappings", run=pollers.run),
            Worker(name="lambda.provisioning", run=provisioning.run),
        ),
        sites=(
            Site(name="lambda-url", handle=function_urls.site(functions), host_label="lambda-url"),
            Site(
                name="lambda-code",
                handle=downloads.download,
                path_prefixes=(downloads.PREFIX,),
            ),
        ),
    )
