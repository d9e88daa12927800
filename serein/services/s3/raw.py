"""HTTP at S3's endpoint that is no API operation: the browser's preflight and its form uploads.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from msgspec.structs import replace

from serein.base.clock import now_for
from serein.kernel.calls import ANONYMOUS, Principal, Signed, root_of
from serein.kernel.identities import Identities, InvalidToken
from serein.kernel.operations import Context
from serein.services.s3 import cors
from serein.services.s3.rules import form_policy, metadata
from serein.services.s3.rules.errors import invalid_argument, refusal
from serein.services.s3.rules.form_data import Form, boundary_of
from serein.services.s3.rules.form_policy import Allowed
from serein.services.s3.rules.places import place_of, url_of
from serein.wire.browsers import asks_for_another_host, comes_from_another_site
from serein.wire.http import HttpRequest, HttpResponse
from serein.wire.sigv4.credentials import Presented
from serein.wire.sigv4.errors import aws_error
from serein.wire.sigv4.memo import SignatureMemo
from serein.wire.sigv4.problems import SignatureProblem
from serein.wire.sigv4.sign import read_form_credentials, verify_form
from serein.wire.xml_in import MalformedXml, parse_xml

_MEMBERS: Mapping[str, str] = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-type": "ContentType",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "expires": "Expires",
    "x-amz-storage-class": "StorageClass",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    "x-amz-checksum-algorithm": "ChecksumAlgorithm",
    "x-amz-checksum-crc32": "ChecksumCRC32",
    "x-amz-checksum-crc32c": "ChecksumCRC32C",
    "x-amz-checksum-crc64nvme": "ChecksumCRC64NVME",
    "x-amz-checksum-sha1": "ChecksumSHA1",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "x-amz-object-lock-mode": "ObjectLockMode",
    "x-amz-object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "content-md5": "ContentMD5",
}
_META = "x-amz-meta-"


class FormFile:
    """The file of a form as the body of a PutObject, held to the lengths that the policy allows."""

    event = "ObjectCreated:Post"
    """What the bucket's notifications tell of it."""

    def __init__(self, parts: AsyncIterator[bytes], allowed: Allowed) -> None:
        self.trailers: dict[str, str] = {}
        self._parts = parts
        self._allowed = allowed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._parts:
            size += len(part)
            if size > self._allowed.bytes_max:
                raise refusal(
                    "EntityTooLarge", ProposedSize=size, MaxSizeAllowed=self._allowed.bytes_max
                )
            yield part
        if size < self._allowed.bytes_min:
            raise refusal(
                "EntityTooSmall", ProposedSize=size, MinSizeAllowed=self._allowed.bytes_min
            )


class Raw:
    """Answers OPTIONS and browser forms. `is_open` and `account` say, as for the front, who an unknown key is."""

    def __init__(self, identities: Identities, *, is_open: bool, account: str) -> None:
        self._identities = identities
        self._is_open = is_open
        self._account = account
        self._memo = SignatureMemo(64)

    def wants(self, request: HttpRequest) -> bool:
        """Whether it is a preflight, or an unsigned POST to a bucket itself."""
        method = request.method
        if method == "OPTIONS":
            return bool(place_of(request)[0])
        if method != "POST" or request.query or "authorization" in request.headers:
            return False
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            return True
        if "x-amz-target" in request.headers or "smithy-protocol" in request.headers:
            return False
        bucket, key = place_of(request)
        return bool(bucket) and not key

    async def answer(self, cx: Context, request: HttpRequest) -> HttpResponse:
        """The preflight's answer, or the form's after the object is stored."""
        if request.method == "OPTIONS":
            return cors.preflight(cx.read(), request)
        response = await self._take_form(cx, request)
        if "origin" in request.headers:
            cors.decorate(cx.read(), request, response)
        return response

    async def _take_form(self, cx: Context, request: HttpRequest) -> HttpResponse:
        bucket, key = place_of(request)
        if not bucket or key:
            raise refusal("MethodNotAllowed", Method="POST", ResourceType="OBJECT")
        boundary = boundary_of(request.headers.get("content-type", ""))
        form = Form(_parts_of(request), boundary)
        await form.read_fields()
        fields = form.fields
        if "key" not in fields:
            raise invalid_argument(
                "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the "
                "fields.",
                "key",
                "",
            )
        signer = self._signer(cx, fields, request)
        allowed = Allowed()
        if "policy" in fields:
            allowed = form_policy.check(fields["policy"], fields, bucket, _now_for(cx, fields))
        name = form.filename.replace("\\", "/").rpartition("/")[2]
        params = _params(fields)
        params["Bucket"], params["Key"] = bucket, fields["key"].replace("${filename}", name)
        params["Body"] = FormFile(form.file(), allowed)
        acting = cx.acting(signer, account=signer.account or self._account)
        call = acting.make_call("s3", "PutObject", params)
        if signer.kind != "anonymous":
            signed = Signed(how="POST", version="AWS4-HMAC-SHA256", at=0.0)
            call = replace(call, scope=replace(call.scope, signed=signed))
        stored = await acting.call(call)
        return _told(request, fields, bucket, params["Key"], stored, acting.scope.request_id)

    def _signer(self, cx: Context, fields: Mapping[str, str], request: HttpRequest) -> Principal:
        """Who signed the form's policy. Raises in S3's words for signatures."""
        try:
            presented = read_form_credentials(fields)
            if presented is None:
                return ANONYMOUS
            return self._checked(cx, presented, fields.get("policy", ""), request)
        except SignatureProblem as problem:
            raise aws_error(problem, "s3") from problem

    def _checked(
        self, cx: Context, presented: Presented, policy: str, request: HttpRequest
    ) -> Principal:
        key = presented.access_key
        try:
            found = self._identities.credential_or_none(
                cx.read().snapshot, key, presented.session_token
            )
        except InvalidToken as error:
            raise SignatureProblem("token_invalid", {"access_key": key}) from error
        if not policy:
            raise invalid_argument(
                "Bucket POST must contain a field named 'policy'.  If it is specified, please check the order of "
                "the fields.",
                "policy",
                "",
            )
        if found is None:
            # Open mode does not hold for functions, nor for pages of other sites.
            foreign = asks_for_another_host(request) or comes_from_another_site(request)
            if not self._is_open or request.inside or foreign:
                raise SignatureProblem("unknown_access_key", {"access_key": key})
            own = len(key) == 12 and key.isdigit()
            return root_of(key if own else self._account, key)
        if not found.active:
            raise SignatureProblem("inactive_access_key", {"access_key": key})
        if found.expires_at is not None and cx.now >= found.expires_at:
            raise SignatureProblem("token_expired", {"access_key": key})
        verify_form(presented, policy, found.secret, self._memo)
        return found.principal


def _now_for(cx: Context, fields: Mapping[str, str]) -> float:
    """The time by which a form's policy may have expired: its signer dated it by a clock outside the house."""
    presented = read_form_credentials(fields)
    return cx.now if presented is None else now_for(cx.clock, presented.timestamp)


async def _parts_of(request: HttpRequest) -> AsyncIterator[bytes]:
    body = request.body
    if isinstance(body, bytes):
        yield body
        return
    async for part in body:
        yield part


def _params(fields: Mapping[str, str]) -> dict[str, Any]:
    """PutObject's params, as the form's fields say them."""
    params: dict[str, Any] = {
        member: metadata.in_latin(fields[name])
        for name, member in _MEMBERS.items()
        if fields.get(name)
    }
    meta = {name[len(_META) :]: value for name, value in fields.items() if name.startswith(_META)}
    if meta:
        params["Metadata"] = meta
    if "tagging" in fields:
        params["Tagging"] = _tags(fields["tagging"])
    return params


def _tags(document: str) -> str:
    """The form's `tagging` XML as PutObject's header has it. Raises MalformedXML."""
    try:
        root = parse_xml(document.encode())
    except MalformedXml as error:
        raise refusal("MalformedXML") from error
    tag_set = root.child("TagSet")
    pairs: list[tuple[str, str]] = []
    for tag in tag_set.children if tag_set is not None else ():
        key, value = tag.child("Key"), tag.child("Value")
        if key is not None:
            pairs.append((key.text, value.text if value is not None else ""))
    return urlencode(pairs)


def _told(
    request: HttpRequest,
    fields: Mapping[str, str],
    bucket: str,
    key: str,
    stored: Mapping[str, Any],
    request_id: str,
) -> HttpResponse:
    """The answer that the form asks for: a redirect, a status, or 204."""
    location, etag = url_of(request, bucket, key), str(stored["ETag"])
    headers = [("x-amz-request-id", request_id), ("ETag", etag), ("Location", location)]
    if stored.get("VersionId"):
        headers.append(("x-amz-version-id", stored["VersionId"]))
    headers.append(("x-amz-server-side-encryption", stored["ServerSideEncryption"]))
    target = fields.get("success_action_redirect") or fields.get("redirect")
    if target and target.startswith(("http://", "https://")):
        mark = "&" if "?" in target else "?"
        # Line ends would end the header: what is not of a URL is encoded.
        safe = quote(target, safe="%/:=&?~#+!$,;'@()*[]-._")
        told = urlencode({"bucket": bucket, "key": key, "etag": etag}, quote_via=quote)
        return HttpResponse(303, [*headers[:2], ("Location", f"{safe}{mark}{told}")])
    status = fields.get("success_action_status")
    if status == "201":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>'
            f"<Location>{escape(location)}</Location><Bucket>{escape(bucket)}</Bucket>"
            f"<Key>{escape(key)}</Key><ETag>{escape(etag, {chr(34): '&quot;'})}</ETag></PostResponse>"
        )
        return HttpResponse(201, [*headers, ("Content-Type", "application/xml")], body.encode())
    return HttpResponse(200 if status == "200" else 204, headers)
