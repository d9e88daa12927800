"""Bodies that are meant to hurt: bombs, depth, traversal, what is no text. Each gets the caller's error, quickly, and costs no more.

https://owasp.org/www-community/vulnerabilities/XML_External_Entity_(XXE)_Processing
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serein.wire.http import HttpResponse
from tests.cloud import ENDPOINT, Cloud
from tests.security.conftest import ACCOUNT, Person, Signed, code_of, trust

PATIENCE_S = 5.0
"""Far more than any of these may take, for machines that are busy."""


@pytest.fixture(scope="module")
def town() -> Iterator[Cloud]:
    cloud = Cloud()
    cloud.client("s3", access_key=ACCOUNT).create_bucket(Bucket="photos")
    cloud.client("iam", access_key=ACCOUNT).create_role(
        RoleName="worker", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"})
    )
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def root(town: Cloud) -> Person:
    return Person(town, "", {"AccessKeyId": ACCOUNT, "SecretAccessKey": "x"})


def quickly(send: Callable[[], HttpResponse]) -> HttpResponse:
    begun = time.perf_counter()
    answer = send()
    assert time.perf_counter() - begun < PATIENCE_S
    assert answer.status < 500, bytes(answer.body)  # type: ignore[arg-type]
    assert b"Traceback" not in bytes(answer.body)  # type: ignore[arg-type]
    return answer


LAUGHS = b"".join(
    [
        b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">',
        *(b'<!ENTITY lol%d "%s">' % (n, b"&lol%s;" % (b"%d" % (n - 1) if n > 1 else b"") * 10) for n in range(1, 10)),
        b"]><Tagging><TagSet><Tag><Key>&lol9;</Key><Value>x</Value></Tag></TagSet></Tagging>",
    ]
)  # fmt: skip
XML = {
    "billion laughs": LAUGHS,
    "one great entity": b'<!DOCTYPE a [<!ENTITY x "' + b"A" * 100_000 + b'">]><Tagging>' + b"&x;" * 1000 + b"</Tagging>",
    "a file": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Tagging><TagSet><Tag><Key>&x;</Key><Value/></Tag></TagSet></Tagging>',
    "an address": b'<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:1/">]><Tagging>&x;</Tagging>',
    "a parameter entity": b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><Tagging/>',
    "an outer DTD": b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Tagging/>',
    "depth": b"<Tagging>" + b"<a>" * 50_000 + b"</a>" * 50_000 + b"</Tagging>",
    "depth without end": b"<a>" * 100_000,
    "attributes": b"<Tagging " + b" ".join(b'a%d="x"' % n for n in range(20_000)) + b"/>",
    "no text": b"\xff\xfe\x00\x00<Tagging/>",
    "another encoding": '<?xml version="1.0" encoding="UTF-16"?><Tagging/>'.encode("utf-16"),
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-Tagging/+AD4-',
    "nul": b"<Tagging>\x00</Tagging>",
    "nothing": b"",
}  # fmt: skip


HARMLESS = ("attributes", "another encoding")


@pytest.mark.parametrize("name", XML)
def test_xml(root: Person, name: str) -> None:
    answer = quickly(Signed(root, "s3", "PUT", "/photos?tagging", XML[name], {"Content-MD5": ""}).send)  # fmt: skip
    assert 400 <= answer.status < 500 or name in HARMLESS
    assert b"root:" not in bytes(answer.body)  # type: ignore[arg-type]


JSON = {
    "depth": b'{"a":' * 50_000,
    "depth, closed": b'{"Item": ' + b'{"M": {"a": ' * 5000 + b'{"S": "x"}' + b"}}" * 5000 + b"}",
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "a great number": b'{"Limit": ' + b"9" * 100_000 + b"}",
    "an exponent": b'{"Limit": 1e999999}',
    "no number": b'{"Limit": NaN}',
    "half a character": b'{"ExclusiveStartTableName": "\\ud800"}',
    "no text": b"\xff\xff",
    "doubled names": b'{"Limit": 1, "Limit": 2}',
    "a text": b'"x"',
    "null": b"null",
    "not closed": b'{"Limit": ',
    "nul": b'{"ExclusiveStartTableName": "a\\u0000b"}',
}


@pytest.mark.parametrize("name", JSON)
def test_json(root: Person, name: str) -> None:
    for operation in ("ListTables", "PutItem"):
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}  # fmt: skip
        quickly(Signed(root, "dynamodb", "POST", "/", JSON[name], headers).send)


FORMS = {
    "many fields": b"&".join(b"Tags.member.%d.Key=a" % n for n in range(1, 20_000)),
    "a far index": b"Action=CreateUser&Version=2010-05-08&UserName=x&Tags.member.999999999.Key=a",
    "depth": b"Action=CreateUser&Version=2010-05-08&" + b"a." * 20_000 + b"=1",
    "half an escape": b"Action=ListUsers&Version=2010-05-08&Marker=%",
    "no text": b"Action=ListUsers&Version=2010-05-08&Marker=%ff%fe",
    "two actions": b"Action=ListUsers&Action=DeleteUser&Version=2010-05-08&UserName=x",
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(root: Person, name: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    quickly(Signed(root, "iam", "POST", "/", FORMS[name], headers).send)


def test_cbor(root: Person) -> None:
    headers = {"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"}
    for body in (b"\x81" * 100_000, b"\xbf\x61a" * 50_000, b"\x9b" + b"\xff" * 8, b"\xfb", b"\x1f"):
        path = "/service/CloudWatchLogs/operation/ListTagsForResource"
        quickly(Signed(root, "logs", "POST", path, body, headers).send)


def zipped(*entries: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return packed.getvalue()


def link(target: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        made.writestr(entry, target)
        made.writestr("link/owned", b"x")
    return packed.getvalue()


ARCHIVES = {
    "up and out": zipped(("../../../../tmp/owned-by-zip", b"x")),
    "from the root": zipped(("/tmp/owned-by-zip", b"x")),
    "backslashes": zipped(("..\\..\\owned-by-zip", b"x")),
    "a link out": link("/tmp"),
    "a link up": link("../../../.."),
    "a bomb": zipped(*((f"f{n}", b"\0" * 30_000_000) for n in range(12))),
    "nothing": b"",
    "no archive": b"PK\x03\x04" + b"\0" * 100,
    "a gzip": gzip.compress(b"x" * 1000),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(town: Cloud, name: str) -> None:
    """Functions and layers: what an archive holds lands in its own folder or nowhere."""
    owned = Path("/tmp/owned-by-zip")
    lambda_ = town.client("lambda", access_key=ACCOUNT)
    make: dict[str, Any] = {"Runtime": "python3.11", "Handler": "f.h", "Role": f"arn:aws:iam::{ACCOUNT}:role/worker"}  # fmt: skip
    begun = time.perf_counter()
    function = name.replace(" ", "-")
    try:
        lambda_.create_function(FunctionName=function, Code={"ZipFile": ARCHIVES[name]}, **make)
        failed = bool(lambda_.invoke(FunctionName=function).get("FunctionError"))
    except lambda_.exceptions.ClientError as error:
        failed = error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    assert failed
    assert time.perf_counter() - begun < 6 * PATIENCE_S
    assert not owned.exists()


def test_texts_that_lie_about_themselves(root: Person) -> None:
    """A content encoding is not undone for anybody: what is sent is what is stored, and no bomb goes off."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    answer = quickly(Signed(root, "s3", "PUT", "/photos/bomb", bomb, {"Content-Encoding": "gzip"}).send)  # fmt: skip
    assert answer.status == 200
    stored = root.client("s3").head_object(Bucket="photos", Key="bomb")
    assert stored["ContentLength"] == len(bomb)


def test_policies_that_are_bombs(town: Cloud) -> None:
    iam = town.client("iam", access_key=ACCOUNT, parameter_validation=False)
    deep = '{"Version":"2012-10-17","Statement":' + "[" * 60_000 + "]" * 60_000 + "}"
    stars = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:" + "*a" * 2000 + "b", "Resource": "*"}})  # fmt: skip
    for text in (deep, stars, "\ud7ff" * 100, "{" * 100_000):
        begun = time.perf_counter()
        refused = code_of(iam.create_policy, PolicyName="bomb", PolicyDocument=text) if text is not stars else ""  # fmt: skip
        assert refused in ("MalformedPolicyDocument", "ValidationError", "LimitExceeded", "")
        assert time.perf_counter() - begun < PATIENCE_S


def test_patterns_take_no_time(town: Cloud) -> None:
    """Stars one after the other, against a name that almost matches: no backtracking."""
    iam = town.client("iam", access_key=ACCOUNT)
    iam.create_user(UserName="slow")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::photos/" + "a*" * 400 + "b"}  # fmt: skip
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName="slow", PolicyName="p", PolicyDocument=text)
    keys = iam.create_access_key(UserName="slow")["AccessKey"]
    eve = Person(town, "", keys)
    begun = time.perf_counter()
    assert code_of(eve.client("s3").get_object, Bucket="photos", Key="a" * 900) == "AccessDenied"
    assert time.perf_counter() - begun < PATIENCE_S


def test_tokens_that_are_bombs(town: Cloud) -> None:
    sts = town.client("sts", access_key=ACCOUNT, parameter_validation=False)
    for token in ("a" * 20_000, ".".join([base64.urlsafe_b64encode(b"{" * 9000).decode()] * 3)):
        refused = code_of(sts.assume_role_with_web_identity, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/worker", RoleSessionName="x1", WebIdentityToken=token)  # fmt: skip
        assert refused in ("InvalidIdentityToken", "ValidationError", "AccessDenied")


def test_the_house_lives_on(town: Cloud) -> None:
    assert town.http("GET", ENDPOINT + "/_serein/health").status == 200
