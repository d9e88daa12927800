"""A cached GetItem through DAX against a plain GetItem, both at one server by one user, alternately, one connection each.

Raw: the request's bytes are ready and the answer is only received, so the server's work is what is compared. Clients: Amazon's
DAX client and boto3, whose own work is most of it. Reported are the fastest of the rounds and their ratio.

usage: python benchmarks/dax.py [--rounds 8]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from amazondax import AmazonDaxClient
from amazondax.CborEncoder import CborEncoder
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from serein.wire.dax.numerals import GET_ITEM

KEY = {"p": {"S": "a"}}
ITEM = {**KEY, "v": {"S": "x" * 100}, "n": {"N": "5"}}
RAW, CLIENTS = 3000, 300


def policy(action: str | list[str], **more: Any) -> str:
    """A policy document."""
    statement = {"Effect": "Allow", "Action": action, **(more or {"Resource": "*"})}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def prepare(endpoint: str) -> tuple[Any, Any, Credentials]:
    """A table, a cluster and a user: the DAX client, DynamoDB's client, the user's key."""
    root = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    iam, dax = boto3.client("iam", **root), boto3.client("dax", **root)
    boto3.client("dynamodb", **root).create_table(
        TableName="bench",
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    trust = policy("sts:AssumeRole", Principal={"Service": "dax.amazonaws.com"})
    role = iam.create_role(RoleName="dax", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="dax", PolicyName="p", PolicyDocument=policy("dynamodb:*"))
    iam.create_user(UserName="u")
    iam.put_user_policy(
        UserName="u", PolicyName="p", PolicyDocument=policy(["dax:*", "dynamodb:*"])
    )
    made = iam.create_access_key(UserName="u")["AccessKey"]
    key = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
    dax.create_cluster(
        ClusterName="bench", NodeType="dax.r4.large", ReplicationFactor=1, IamRoleArn=role
    )
    while True:
        (cluster,) = dax.describe_clusters()["Clusters"]
        if cluster["Status"] == "available":
            break
    session = botocore.session.get_session()
    session.set_credentials(key.access_key, key.secret_key)
    url = cluster["ClusterDiscoveryEndpoint"]["URL"]
    cached = AmazonDaxClient(session, region_name="us-east-1", endpoint_url=url)
    cached.put_item(TableName="bench", Item=ITEM)
    own = {**root, "aws_access_key_id": key.access_key, "aws_secret_access_key": key.secret_key}
    return cached, boto3.client("dynamodb", **own), key


def raw_dax(client: Any) -> Callable[[], object]:
    """One cached GetItem on a connection of its own."""
    tube = client._cluster.read_client()._tube_pool._alloc()
    tube.reauth()
    tube.flush()
    encoder = CborEncoder().append_int(1).append_int(GET_ITEM)
    raw = encoder.append_binary(b"bench").append_binary(b"a").append_null().as_bytes()
    line = tube._socket

    def ask() -> object:
        line.sendall(raw)
        return line.recv(65536)

    return ask


def raw_http(endpoint: str, key: Credentials) -> Callable[[], object]:
    """One plain GetItem on a connection of its own, signed once."""
    body = json.dumps({"TableName": "bench", "Key": KEY})
    headers = {
        "X-Amz-Target": "DynamoDB_20120810.GetItem",
        "Content-Type": "application/x-amz-json-1.0",
    }
    request = AWSRequest("POST", endpoint + "/", data=body, headers=headers)
    SigV4Auth(key, "dynamodb", "us-east-1").add_auth(request)
    parts = urlsplit(endpoint)
    lines = [f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    raw = ("".join(lines) + "\r\n" + body).encode()
    line = socket.create_connection((parts.hostname, parts.port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask() -> object:
        line.sendall(raw)
        return line.recv(65536)

    return ask


def pace(ask: Callable[[], object], times: int) -> float:
    """Requests a second."""
    ask()
    began = time.perf_counter()
    for _ in range(times):
        ask()
    return times / (time.perf_counter() - began)


def compare(name: str, dax: Callable[[], object], plain: Callable[[], object], rounds: int) -> None:
    """Both alternately, RAW or CLIENTS times a round."""
    times = RAW if name == "raw" else CLIENTS
    through, straight = [], []
    for _ in range(rounds):
        through.append(pace(dax, times))
        straight.append(pace(plain, times))
    best, other = max(through), max(straight)
    print(f"{name:8} DAX {best:8.0f}/s   plain {other:8.0f}/s   ratio {best / other:.1f}")


def main() -> None:
    """Start a server of its own, compare, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "serein.cli.main", "up", "--port", "0", "--data", folder]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            found = re.search(r"http://[^ ]+", server.stdout.readline())
            assert found
            endpoint = found.group()
            cached, plain, key = prepare(endpoint)
            print(f"load {os.getloadavg()[0]:.1f}")
            compare("raw", raw_dax(cached), raw_http(endpoint, key), rounds)
            compare(
                "clients",
                lambda: cached.get_item(TableName="bench", Key=KEY),
                lambda: plain.get_item(TableName="bench", Key=KEY),
                rounds,
            )
            cached.close()
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(15)


if __name__ == "__main__":
    main()
