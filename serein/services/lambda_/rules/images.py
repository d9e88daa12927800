"""The addresses of container images, as functions name them.

https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
"""

from __future__ import annotations

import re

import msgspec

from serein.base.errors import AwsError
from serein.services.lambda_.model import InvalidParameterValueException
from serein.services.lambda_.rules.configuration import refuse

_AT_ECR = re.compile(
    r"(?:https?://)?(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+(?::\d+)?/(?P<rest>.+)\Z"
)
_HERE = re.compile(
    r"(?:https?://)?(?:localhost(?:\.localstack\.cloud)?|127\.0\.0\.1|\[::1\])(?::\d+)?/(?P<rest>.+)\Z"
)
_IMAGE = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[a-f0-9]{64}))?\Z"
)
URI_LENGTH_MAX = 1024


class ImageAddress(msgspec.Struct, frozen=True):
    """Which image of which repository; `place` is what stands before the tag or digest."""

    account: str
    region: str
    name: str
    tag: str
    digest: str
    place: str

    @property
    def image_id(self) -> dict[str, str]:
        """As ECR names it."""
        return {"imageDigest": self.digest} if self.digest else {"imageTag": self.tag}

    @property
    def arn(self) -> str:
        """The repository's ARN."""
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"


def parse_address(uri: str, account: str, region: str) -> ImageAddress:
    """The parts of an image's address; at Serein's own address the registry is the caller's.

    Raises InvalidParameterValueException.
    """
    found = _AT_ECR.match(uri) or _HERE.match(uri)
    image = _IMAGE.match(found["rest"]) if found and len(uri) <= URI_LENGTH_MAX else None
    # https://docs.aws.amazon.com/lambda/latest/dg/images-create.html: in the function's own region
    if found is None or image is None or not (image["tag"] or image["digest"]):
        raise not_valid(uri)
    given = found.groupdict()
    if given.get("region", region) != region:
        raise not_valid(uri)
    place = uri[: len(uri) - len(found["rest"])] + image["name"]
    return ImageAddress(
        given.get("account", account),
        region,
        image["name"],
        image["tag"] or "",
        image["digest"] or "",
        place.removeprefix("https://").removeprefix("http://"),
    )


def not_valid(uri: str) -> InvalidParameterValueException:
    """No address of an image that a function could have."""
    return refuse(f"Source image {uri} is not valid. Provide a valid source image.")


def not_there(uri: str) -> InvalidParameterValueException:
    """There is no such image."""
    return refuse(f"Source image {uri} does not exist. Provide a valid source image.")


def not_supported(uri: str) -> InvalidParameterValueException:
    """An image that functions cannot have: an index, an artifact, or one with strange layers."""
    return refuse(
        "The image manifest, config or layer media type for the source image "
        f"{uri} is not supported."
    )


def not_allowed() -> AwsError:
    """The image may not be used by the caller, or by Lambda."""
    return AwsError(
        "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
        code="AccessDeniedException",
        status=403,
        fields={"Type": "User"},
    )
