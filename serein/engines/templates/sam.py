"""The AWS::Serverless-2016-10-31 transform, by the `aws-sam-translator` library; and a program that runs it.

Importing the library costs about half a second and 60 MB, so nothing that stays imports this module: it runs as
`python -m serein.engines.templates.sam`, one request (JSON) on standard input, one answer on standard output, and
the memory is gone with it. The library reads the region from the environment (AWS_DEFAULT_REGION) and asks no
network: managed policies come from the map that it ships.

Request: {"template": tree, "parameters": {name: value}, "region": region}. Answer: {"template": tree} or
{"error": message}.
"""

from __future__ import annotations

import copy
import os
import sys
from typing import Any

import orjson
from samtranslator.internal.managed_policies import get_bundled_managed_policy_map
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

from serein.engines.templates.errors import TemplateError
from serein.engines.templates.values import Tree, Value

NAME = "AWS::Serverless-2016-10-31"
ANSWER_ERROR_CHARACTERS_MAX = 8_000


class StaticPolicies:
    """The managed policies of AWS, by name, from the map that the library ships."""

    def load(self) -> dict[str, str]:
        """Names and ARNs."""
        return get_bundled_managed_policy_map("aws") or {}


def transform_serverless(tree: Tree, parameters: dict[str, Value]) -> Tree:
    """The template with its serverless resources translated. Raises TemplateError in the transform's words."""
    document: dict[str, Any] = copy.deepcopy(tree)
    try:
        made: Tree = transform(document, dict(parameters), StaticPolicies())
    except InvalidDocumentException as error:
        causes = " ".join(str(cause.message) for cause in error.causes)
        raise TemplateError(
            f"Transform {NAME} failed with: Invalid Serverless Application Specification document. Number of errors"
            f" found: {len(error.causes)}. {causes}"
        ) from None
    # Whatever else escapes from the library is an odd document, not our caller's business to see as a traceback.
    except Exception as error:
        raise TemplateError(
            f"Transform {NAME} failed with: Invalid Serverless Application Specification document."
            f" {type(error).__name__}: {error}"
        ) from None
    made.pop("Transform", None)
    made.pop("Globals", None)
    return made


def main() -> int:
    """Answer the one request on standard input."""
    request = orjson.loads(sys.stdin.buffer.read())
    os.environ["AWS_DEFAULT_REGION"] = request["region"]
    try:
        answer: dict[str, Any] = {
            "template": transform_serverless(request["template"], request["parameters"])
        }
    except TemplateError as error:
        answer = {"error": error.message[:ANSWER_ERROR_CHARACTERS_MAX]}
    sys.stdout.buffer.write(
        orjson.dumps(answer, option=orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_NON_STR_KEYS)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
