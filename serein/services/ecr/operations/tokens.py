"""Tokens that container tools log in with.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
"""

from __future__ import annotations

import base64

from serein.kernel.operations import Tx, operation
from serein.services.ecr.access import registry_host
from serein.services.ecr.records import Answer, Request
from serein.services.ecr.tickets import USER, token_of


@operation("GetAuthorizationToken")
def get_authorization_token(tx: Tx, request: Request) -> Answer:
    """A token for twelve hours, good for whatever its caller may do."""
    password, expires_at = token_of(tx, tx.principal)
    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    scheme = "https" if tx.scope.secure else "http"
    registries = request.get("registryIds") or [tx.account]
    return {
        "authorizationData": [
            {
                "authorizationToken": token,
                "expiresAt": expires_at,
                "proxyEndpoint": f"{scheme}://{registry_host(tx, registry, tx.region)}",
            }
            for registry in registries
        ]
    }
