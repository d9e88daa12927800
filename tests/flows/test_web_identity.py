"""A function takes on a role by web identity: the token is signed by an issuer with a server of its own, known by thumbprint.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html
"""

from __future__ import annotations

import hashlib
import http.server
import io
import ipaddress
import json
import ssl
import threading
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.flows.crash_load import client
from tests.running import RunningSerein

ACCOUNT = "000000000000"
SOURCE = """
import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

def handler(event, context):
    sts = boto3.client("sts", config=Config(signature_version=UNSIGNED))
    given = sts.assume_role_with_web_identity(
        RoleArn=event["role"], RoleSessionName="function", WebIdentityToken=event["token"]
    )["Credentials"]
    sqs = boto3.client(
        "sqs",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    try:
        boto3.client("sqs").list_queues()
        own = "allowed"
    except ClientError as error:
        own = error.response["Error"]["Code"]
    return {"own": own, "queues": sqs.list_queues()["QueueUrls"]}
"""


class Issuer:
    """An OpenID Connect issuer that listens with TLS; its certificate is its own."""

    def __init__(self, folder: Path) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        issuer = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        certificate, private = self.certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def certificate(self, folder: Path) -> tuple[Path, Path]:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        self.thumbprint = hashlib.sha1(made.public_bytes(serialization.Encoding.DER)).hexdigest()
        certificate, private = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, private

    def document(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        algorithm: Any = jwt.get_algorithm_by_name("RS256")
        return {"keys": [{**algorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": "1"}]}

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "sub": "f", "aud": "serein", "iat": now, "exp": now + 300}
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "1"})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    made = Issuer(tmp_path)
    yield made
    made.close()


def trust(principal: dict[str, str], action: str) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def code() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", SOURCE)
    return buffer.getvalue()


def test_a_function_takes_on_a_role_by_web_identity(issuer: Issuer, tmp_path: Path) -> None:
    with RunningSerein(tmp_path / "data") as serein:
        iam, lambda_ = client("iam", serein.endpoint), client("lambda", serein.endpoint)
        client("sqs", serein.endpoint).create_queue(QueueName="orders")
        provider = iam.create_open_id_connect_provider(
            Url=issuer.url, ClientIDList=["serein"], ThumbprintList=["0" * 40]
        )["OpenIDConnectProviderArn"]
        role = iam.create_role(
            RoleName="lister",
            AssumeRolePolicyDocument=trust(
                {"Federated": provider}, "sts:AssumeRoleWithWebIdentity"
            ),
        )["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_role_policy(RoleName="lister", PolicyName="p", PolicyDocument=document)
        own = iam.create_role(
            RoleName="bare",
            AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole"),
        )["Role"]["Arn"]
        sts = client("sts", serein.endpoint)
        ask = {"RoleArn": role, "RoleSessionName": "me", "WebIdentityToken": issuer.token()}
        with pytest.raises(ClientError, match="doesn't match configured thumbprint"):
            sts.assume_role_with_web_identity(**ask)
        iam.update_open_id_connect_provider_thumbprint(
            OpenIDConnectProviderArn=provider, ThumbprintList=[issuer.thumbprint]
        )
        lambda_.create_function(
            FunctionName="f",
            Runtime="python3.11",
            Role=own,
            Handler="app.handler",
            Code={"ZipFile": code()},
            Timeout=30,
        )
        lambda_.get_waiter("function_active_v2").wait(FunctionName="f")
        event = {"role": role, "token": issuer.token()}
        answer = lambda_.invoke(FunctionName="f", Payload=json.dumps(event).encode())
        told = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, told
        assert told["own"].startswith("AccessDenied")
        assert [url.rpartition("/")[2] for url in told["queues"]] == ["orders"]
