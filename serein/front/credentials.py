"""Who sends a request: its signature read, checked, and turned into a Principal."""

from __future__ import annotations

import msgspec

from serein.base.clock import Clock, now_for
from serein.base.errors import AwsError
from serein.kernel.calls import ANONYMOUS, Principal, root_of
from serein.kernel.identities import Credential, Identities, InvalidToken
from serein.store.interface import Store
from serein.wire.browsers import asks_for_another_host, comes_from_another_site
from serein.wire.http import HttpRequest
from serein.wire.sigv4.chunks import ChunkDecoder, decoder_for
from serein.wire.sigv4.credentials import Presented, read_credentials
from serein.wire.sigv4.memo import SignatureMemo
from serein.wire.sigv4.problems import SignatureProblem
from serein.wire.sigv4.verify import chunk_seed, verify


class ForeignPage(AwsError):
    """In open mode a page of somebody else's would act as root by its visitors' browsers."""

    code = "AccessDenied"
    status = 403


def check_page(request: HttpRequest, *, service: str) -> None:
    """Raises ForeignPage for what a web page may have set off that is not of this machine. Only open mode needs it.

    What browsers ask S3's leave for beforehand (a bucket's CORS rules then decide), and reading, may come from anywhere.
    """
    if asks_for_another_host(request):
        raise ForeignPage(
            f"In open mode Serein is asked for as localhost, not as {request.host}: a page may have been made to point here."
        )
    headers = request.headers
    if "origin" not in headers and "sec-fetch-site" not in headers:
        return
    if (service != "s3" or request.method == "POST") and comes_from_another_site(request):
        raise ForeignPage("In open mode pages of other sites cannot use Serein's API.")


class Caller(msgspec.Struct, frozen=True):
    """Who calls, the region of the credential scope ("" when it names none), and the verified credential."""

    principal: Principal
    region: str = ""
    presented: Presented | None = None
    credential: Credential | None = None


NOBODY = Caller(ANONYMOUS)


class Credentials:
    """Checks signatures against what IAM knows.

    In open mode a key that IAM does not know acts as root of the default account, or, when it is twelve digits, of that
    account; its signature cannot be checked, for nobody knows its secret. Keys that IAM knows are always checked. Open mode
    is for people and their tools: a request out of a function's environment needs a key that IAM knows.
    """

    def __init__(
        self, identities: Identities, store: Store, clock: Clock, *, is_open: bool, account: str
    ) -> None:
        self._identities = identities
        self._store = store
        self._clock = clock
        self._is_open = is_open
        self._account = account
        self._memo = SignatureMemo()

    def read(self, request: HttpRequest) -> Presented | None:
        """The credentials that a request presents, unverified; None when it has none."""
        return read_credentials(request, self._memo)

    def check(self, request: HttpRequest, presented: Presented | None) -> Caller:
        """Who presents these. Raises SignatureProblem. A body that is bytes is covered by the check."""
        if presented is None:
            return NOBODY
        try:
            found = self._identities.credential_or_none(
                self._store.snapshot(), presented.access_key, presented.session_token
            )
        except InvalidToken as error:
            raise SignatureProblem("token_invalid", {"access_key": presented.access_key}) from error
        region = presented.region.partition(",")[0]
        if found is None:
            return Caller(self._stranger(request, presented), region, presented)
        if not found.active:
            raise SignatureProblem("inactive_access_key", {"access_key": presented.access_key})
        now = self._clock.now()
        if found.expires_at is not None and now >= found.expires_at:
            raise SignatureProblem("token_expired", {"access_key": presented.access_key})
        # Clients sign by their own clocks, whatever the house's shows; how old a signed URL is, the house tells.
        signed_now = (
            self._clock.wall()
            if presented.expires_s is None
            else now_for(self._clock, presented.timestamp)
        )
        verify(presented, request, found.secret, signed_now, self._memo)
        self._identities.note_use(presented.access_key, presented.service, region, now)
        return Caller(found.principal, region, presented, found)

    def decoder(self, request: HttpRequest, caller: Caller) -> ChunkDecoder | None:
        """What takes an aws-chunked body apart; None when the body is plain."""
        presented = caller.presented
        declared = presented.payload_sha256 if presented is not None else ""
        if not declared:
            declared = request.headers.get("x-amz-content-sha256", "")
        if not declared.startswith("STREAMING-") and "aws-chunked" not in request.headers.get(
            "content-encoding", ""
        ):
            return None
        seed = None
        if presented is not None and caller.credential is not None:
            seed = chunk_seed(presented, caller.credential.secret, self._memo)
        return decoder_for(request.headers, declared, seed)

    def _stranger(self, request: HttpRequest, presented: Presented) -> Principal:
        key = presented.access_key
        if request.inside or not self._is_open:
            raise SignatureProblem("unknown_access_key", {"access_key": key})
        check_page(request, service=presented.service)
        account = key if len(key) == 12 and key.isdigit() else self._account
        return root_of(account, key)
