"""An OpenID Connect issuer for tests: signs tokens, and answers for its documents in the outbound client's place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from serein.wire.http import HttpRequest, HttpResponse


class Issuer:
    """One issuer with its keys. `asked` are the paths that were fetched."""

    def __init__(self, url: str = "https://issuer.example.com", algorithm: str = "RS256") -> None:
        self.url = url
        self.algorithm = algorithm
        self.asked: list[str] = []
        self.is_up = True
        self.keys: dict[str, Any] = {}
        self.rotate("one")

    def rotate(self, name: str) -> None:
        """Sign with another key from now on."""
        private: Any
        if self.algorithm.startswith("ES"):
            private = ec.generate_private_key(ec.SECP256R1())
        else:
            private = rsa.generate_private_key(65537, 2048)
        self.key_id = name
        self.private = private
        algorithm: Any = jwt.get_algorithm_by_name(self.algorithm)
        told = algorithm.to_jwk(private.public_key(), as_dict=True)
        self.keys = {name: {**told, "kid": name, "use": "sig", "alg": self.algorithm}}

    def token(self, now: float, **claims: Any) -> str:
        """A token that is good for ten minutes; claims that are None are left out."""
        told = {
            "iss": self.url,
            "sub": "job",
            "aud": "sts.amazonaws.com",
            "iat": int(now),
            "exp": int(now) + 600,
            **claims,
        }
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(
            told, self.private, algorithm=self.algorithm, headers={"kid": self.key_id}
        )

    async def __call__(
        self, request: HttpRequest, secure: bool, thumbprints: Sequence[str] = ()
    ) -> HttpResponse:
        """Answer a fetch."""
        assert secure
        self.asked.append(request.path)
        if not self.is_up:
            return HttpResponse(503, [], b"")
        if request.path.endswith("/.well-known/openid-configuration"):
            body: Any = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        else:
            body = {"keys": list(self.keys.values())}
        return HttpResponse(200, [("Content-Type", "application/json")], orjson.dumps(body))
