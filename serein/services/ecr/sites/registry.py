"""The registry that container tools talk to: the OCI distribution API, which is Docker's HTTP API V2.

`<account>.dkr.ecr.<region>.localhost`, and `/v2/` at Serein's own address for the default account.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, unquote

import msgspec
import orjson

from serein.base.arn import make_arn
from serein.base.errors import AwsError
from serein.kernel.operations import Context, Need
from serein.services.ecr.records import REPOSITORIES, Repository
from serein.services.ecr.rules.names import is_repository_name
from serein.services.ecr.rules.paths import Address, parse
from serein.services.ecr.rules.words import no_repository
from serein.services.ecr.tickets import Refused, layer_of, principal_of
from serein.store.blobs import BlobId
from serein.wire.http import Body, BodyTooLarge, HeaderList, HttpRequest, HttpResponse

API_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
_HOST = re.compile(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.")
_CODES = {
    # AWS's error → the specification's code and the HTTP status.
    "RepositoryNotFoundException": ("NAME_UNKNOWN", 404),
    "ImageNotFoundException": ("MANIFEST_UNKNOWN", 404),
    "LayersNotFoundException": ("BLOB_UNKNOWN", 404),
    "ReferencedImagesNotFoundException": ("MANIFEST_BLOB_UNKNOWN", 404),
    "UploadNotFoundException": ("BLOB_UPLOAD_UNKNOWN", 404),
    "InvalidLayerException": ("DIGEST_INVALID", 400),
    "ImageDigestDoesNotMatchException": ("DIGEST_INVALID", 400),
    "InvalidLayerPartException": ("BLOB_UPLOAD_INVALID", 416),
    "EmptyUploadException": ("BLOB_UPLOAD_INVALID", 400),
    "InvalidParameterException": ("MANIFEST_INVALID", 400),
    "ImageTagAlreadyExistsException": ("TAG_INVALID", 400),
    "LimitExceededException": ("TOOMANYREQUESTS", 429),
    "AccessDeniedException": ("DENIED", 403),
}


class Visit(msgspec.Struct):
    """A request at the registry: whose it is, what it is about, and who asks."""

    cx: Context
    request: HttpRequest
    account: str
    region: str
    address: Address
    query: dict[str, str]

    @property
    def method(self) -> str:
        """HEAD is GET without the body."""
        method = self.request.method
        return "GET" if method == "HEAD" else method

    def judge(self, action: str, name: str = "") -> None:
        """Raises the refusal unless whoever asks may do this to the repository."""
        arn = make_arn("ecr", self.region, self.account, f"repository/{name or self.address.name}")
        self.cx.judge(Need(f"ecr:{action}", arn))

    def repository(self, name: str = "") -> Repository:
        """The repository of the address. Raises RepositoryNotFoundException."""
        name = name or self.address.name
        found = self.cx.read().get(REPOSITORIES, self.account, self.region, name)
        if found is None:
            raise no_repository(name, self.account)
        return found


Answerer = Callable[[Visit], Awaitable[HttpResponse]]


def is_registry(request: HttpRequest) -> bool:
    """Whether a path below /v2/ is meant for the registry: other services' requests there are signed."""
    authorization = request.headers.get("authorization", "")
    return not authorization.startswith("AWS4-") and "X-Amz-Signature=" not in request.query


def site(answerers: dict[str, Answerer]) -> Callable[..., Awaitable[HttpResponse]]:
    """The registry's handler; `answerers` by kind of address."""

    async def handle(cx: Context, request: HttpRequest, label: str) -> HttpResponse:
        try:
            response = await _answer(cx, request, answerers)
        except AwsError as error:
            response = refusal(*code_of(error), error.message)
        except BodyTooLarge:
            response = refusal("SIZE_INVALID", 413, "The content is too large")
        response.headers = [API_VERSION, *response.headers]
        if request.method == "HEAD" and response.body:
            if isinstance(response.body, bytes):
                response.headers.append(("Content-Length", str(len(response.body))))
            response.body = b""
        return response

    return handle


async def _answer(
    cx: Context, request: HttpRequest, answerers: dict[str, Answerer]
) -> HttpResponse:
    found = _HOST.match(request.host + ".")
    account = found[1] if found else cx.account
    region = found[2] if found else cx.region
    try:
        principal = principal_of(cx.read(), request.headers.get("authorization", ""))
    except Refused as refused:
        if refused.expired:
            said = "Your authorization token has expired. Reauthenticate and try again."
            return refusal("DENIED", 403, said)
        return _unauthorized(request)
    address = parse(unquote(request.path))
    if address is None:
        return refusal("NAME_INVALID", 404, "No such address in this registry")
    if address.name and not is_repository_name(address.name):
        return refusal("NAME_INVALID", 400, "Invalid repository name")
    acting = cx.acting(principal, account=principal.account, region=region)
    query = {key: values[-1] for key, values in parse_qs(request.query).items()}
    visit = Visit(acting, request, account, region, address, query)
    return await answerers[address.kind](visit)


async def ping(visit: Visit) -> HttpResponse:
    """Whether this is a registry, and whether the token is good."""
    if visit.method != "GET":
        return not_allowed()
    return answer_json({})


def _unauthorized(request: HttpRequest) -> HttpResponse:
    realm = f"{request.scheme}://{request.headers.get('host', '')}/"
    response = refusal("UNAUTHORIZED", 401, "Not Authorized")
    challenge = f'Basic realm="{realm}",service="ecr.amazonaws.com"'
    response.headers.append(("WWW-Authenticate", challenge))
    return response


def code_of(error: AwsError) -> tuple[str, int]:
    """An error's code in the specification, and its HTTP status."""
    known = _CODES.get(error.code)
    if known is not None:
        return known
    if error.status >= 500:
        return "UNKNOWN", error.status
    return ("DENIED", 403) if "Denied" in error.code else ("UNSUPPORTED", error.status)


def refusal(code: str, status: int, message: str, detail: object = None) -> HttpResponse:
    """An error in the specification's form."""
    error: dict[str, object] = {"code": code, "message": message}
    if detail is not None:
        error["detail"] = detail
    return answer_json({"errors": [error]}, status)


def not_allowed() -> HttpResponse:
    """For a method that an address does not have."""
    return refusal("UNSUPPORTED", 405, "The operation is unsupported.")


def answer_json(
    value: object, status: int = 200, headers: HeaderList | None = None
) -> HttpResponse:
    """An answer as JSON."""
    kind = [("Content-Type", "application/json; charset=utf-8")]
    return HttpResponse(status, [*kind, *(headers or [])], orjson.dumps(value))


async def read_all(body: Body, bytes_max: int) -> bytes:
    """A body in one piece. Raises BodyTooLarge."""
    if isinstance(body, bytes):
        if len(body) > bytes_max:
            raise BodyTooLarge
        return body
    pieces: list[bytes] = []
    size = 0
    async for piece in body:
        size += len(piece)
        if size > bytes_max:
            raise BodyTooLarge
        pieces.append(piece)
    return b"".join(pieces)


async def download(cx: Context, request: HttpRequest, name: str) -> HttpResponse:
    """A layer's bytes, for whoever has the address that GetDownloadUrlForLayer gave."""
    if request.method not in ("GET", "HEAD"):
        return not_allowed()
    try:
        ticket = layer_of(cx.read(), unquote(request.path.rpartition("/")[2]))
    except Refused:
        return refusal("DENIED", 403, "The address has expired, or is none of this registry's.")
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(ticket.size)),
    ]
    if request.method == "HEAD":
        return HttpResponse(200, headers)
    return HttpResponse(200, headers, cx.blobs.stream(BlobId(ticket.blob)))
