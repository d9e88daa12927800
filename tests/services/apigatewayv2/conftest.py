"""A house whose functions are Python functions of the test, so that the data plane can be tried by itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import orjson
import pytest

from serein.assembly import Config, House
from serein.base.clock import ManualClock
from serein.base.errors import AwsError
from serein.base.ids import SeededRandomness
from serein.kernel.operations import Context, Read, operation
from serein.kernel.services import Service
from serein.services import apigatewayv2, sqs
from tests.cloud import Cloud

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"


class Functions:
    """What the functions do, by name; what they were given; and who may call them."""

    def __init__(self) -> None:
        self.code: dict[str, Callable[[Any], Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.sources: list[str] = []
        self.allowed: dict[str, str] = {}
        """By name: the source ARNs that the function's policy lets API Gateway call it for (default: any)."""

    def service(self) -> Service:
        """A stand-in for Lambda with one operation."""

        @operation(
            "Invoke", on=lambda call: call.params["FunctionName"], action="lambda:InvokeFunction"
        )
        async def invoke(cx: Context, request: dict[str, Any]) -> dict[str, Any]:
            event = orjson.loads(request["Payload"])
            self.events.append(event)
            self.sources.append(cx.scope.source_arn)
            try:
                result = self.code[request["FunctionName"].rpartition(":")[2]](event)
            except AwsError:
                raise
            except Exception as error:
                failure = {"errorMessage": str(error), "errorType": type(error).__name__}
                payload = orjson.dumps(failure)
                return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload}
            if asyncio.iscoroutine(result):
                result = await result
            payload = result if isinstance(result, bytes) else orjson.dumps(result)
            return {"StatusCode": 200, "Payload": payload}

        module = ModuleType("stand_in_functions")
        invoke.__module__ = module.__name__
        module.invoke = invoke  # type: ignore[attr-defined]
        return Service(
            name="lambda",
            operations=(module,),
            policy_of=self._policy_of,
            denied=("AccessDeniedException", 403),
        )

    def _policy_of(self, read: Read, arn: str) -> str:
        source = self.allowed.get(arn.rpartition(":")[2], "*")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": arn,
            "Condition": {"ArnLike": {"AWS:SourceArn": source}},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class GatewayHouse(House):
    """The house with the stand-in in place of Lambda."""

    stand_in: Functions

    def _services(self) -> list[Service]:
        self.stand_in = Functions()
        ours = [apigatewayv2.service(), self.stand_in.service(), sqs.SERVICE]
        names = {service.name for service in ours}
        return [*(s for s in super()._services() if s.name not in names), *ours]


class Gateway(Cloud):
    """A cloud over that house, with short ways to make and visit APIs."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock(time.time())
        self.account = "000000000000"
        config = Config(data=None, auth_open=True, account=self.account)
        self.house = GatewayHouse(config, clock=self.clock, randomness=SeededRandomness(7))
        self.run(self.house.open())
        self.functions = self.house.stand_in
        self.api = self.client("apigatewayv2")

    def function(self, name: str, code: Callable[[Any], Any]) -> str:
        """Give a function its code; its ARN."""
        self.functions.code[name] = code
        return FUNCTION + name

    def quick(self, code: Callable[[Any], Any], **params: Any) -> str:
        """An API by quick create; its id."""
        target = self.function("f", code)
        made = self.api.create_api(Name="a", ProtocolType="HTTP", Target=target, **params)
        return str(made["ApiId"])

    def served(
        self, version: str = "2.0", *keys: str, stage: str = "$default", **params: Any
    ) -> str:
        """An API whose routes `keys` all go to function "f"; its id."""
        api_id = str(self.api.create_api(Name="a", ProtocolType="HTTP", **params)["ApiId"])
        made = self.api.create_integration(
            ApiId=api_id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=FUNCTION + "f",
            PayloadFormatVersion=version,
        )
        target = f"integrations/{made['IntegrationId']}"
        for key in keys:
            self.api.create_route(ApiId=api_id, RouteKey=key, Target=target)
        self.api.create_stage(ApiId=api_id, StageName=stage, AutoDeploy=True)
        return api_id

    def visit(
        self,
        api_id: str,
        method: str = "GET",
        path: str = "/",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> Any:
        """The answer of an API to a request under its own host name."""
        return self.http(method, f"http://{api_id}.execute-api.localhost:4566{path}", headers, body)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()
