"""What verifying a signature costs: `python benchmarks/sigv4.py`."""

from __future__ import annotations

import timeit

from serein.wire.http import HttpRequest
from serein.wire.sigv4 import SignatureMemo, read_credentials, verify
from serein.wire.sigv4.sign import Signer, sign_request

NOW = 1_750_000_000.0
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def request_for(service: str, method: str, path: str, body: bytes, target: str) -> HttpRequest:
    """A request with the headers that boto3 sends, signed."""
    headers = {
        "host": "127.0.0.1:4566",
        "content-type": "application/x-amz-json-1.0",
        "user-agent": "Boto3/1.40 md/Botocore ua/2.1 os/linux",
        "x-amz-target": target,
        "amz-sdk-invocation-id": "5f9f0e3e-6b1c-4c8a-9b6f-1f1d0a5f2b11",
        "amz-sdk-request": "attempt=1",
    }
    request = HttpRequest(method, path, "", headers, list(headers.items()), body)
    sign_request(
        Signer(access_key="AKIDEXAMPLE", secret=SECRET, region="us-east-1", service=service),
        request,
        NOW,
    )
    request.headers["content-length"] = str(len(body))
    request.headers["accept-encoding"] = "identity"
    return request


def main() -> None:
    """Print microseconds per request, the best of seven runs."""
    item = b'{"TableName":"t","Key":{"pk":{"S":"user#0001"},"sk":{"S":"order#0001"}}}'
    cases = {
        "DynamoDB GetItem": request_for("dynamodb", "POST", "/", item, "DynamoDB_20120810.GetItem"),
        "S3 PutObject 1 KiB": request_for("s3", "PUT", "/bucket/some/key", b"x" * 1024, "-"),
    }
    for name, request in cases.items():
        memo = SignatureMemo()

        def parse(request: HttpRequest = request, memo: SignatureMemo = memo) -> None:
            read_credentials(request, memo)

        def both(request: HttpRequest = request, memo: SignatureMemo = memo) -> None:
            presented = read_credentials(request, memo)
            assert presented is not None
            verify(presented, request, SECRET, NOW, memo)

        for what, function in (("read", parse), ("read + verify", both)):
            best = min(timeit.repeat(function, number=5000, repeat=7)) / 5000
            print(f"{name:20} {what:14} {best * 1e6:6.1f} µs")


if __name__ == "__main__":
    main()
