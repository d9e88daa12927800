"""Encryption with customers' keys (SSE-C).

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html; the wordings are S3's own, as clients'
issue trackers quote them.
"""

from __future__ import annotations

import base64
import hashlib
from random import Random
from typing import Any

import pytest

from serein.services.s3.records import BODIES, OBJECTS, PARTS
from serein.store.blobs import BlobId
from tests.cloud import Cloud
from tests.services.s3.words import BUCKET, body, put, refused

ONE, OTHER = bytes(range(32)), bytes(32)
PART = bytes(range(256)) * 4 * 5 * 1024


def key(secret: bytes = ONE, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": secret}


def in_text(md5: str) -> dict[str, str]:
    """The headers as they are, which the client does not make of bytes where the digest is given."""
    secret = base64.b64encode(ONE).decode()
    return {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": secret,
        "SSECustomerKeyMD5": md5,
    }


def md5_of(secret: bytes) -> str:
    return base64.b64encode(hashlib.md5(secret).digest()).decode()


@pytest.fixture
def s3(s3: Any) -> Any:
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_it_is_read_with_its_key_alone(cloud: Cloud, s3: Any, size: int) -> None:
    content = (b"0123456789abcdef-" * 20_000)[:size]
    made = put(s3, "k", content, **key())
    assert made["SSECustomerAlgorithm"] == "AES256"
    assert made["SSECustomerKeyMD5"] == md5_of(ONE)
    assert "ServerSideEncryption" not in made
    assert made["ETag"] != f'"{hashlib.md5(content).hexdigest()}"'
    assert body(s3, "k", **key()) == content
    head = s3.head_object(Bucket=BUCKET, Key="k", **key())
    assert (head["ContentLength"], head["SSECustomerKeyMD5"]) == (size, md5_of(ONE))
    without = refused(body, s3, "k")
    assert (without["Code"], without["Status"]) == ("InvalidRequest", 400)
    assert "The correct parameters must be provided to retrieve the object." in without["Message"]
    assert refused(body, s3, "k", **key(OTHER))["Code"] == "AccessDenied"
    assert refused(s3.head_object, Bucket=BUCKET, Key="k")["Status"] == 400


def test_neither_bytes_nor_key_are_on_the_disk(cloud: Cloud, s3: Any) -> None:
    put(s3, "short", b"a secret that nobody shall read", **key())
    snapshot = cloud.house.store.snapshot()
    found = snapshot.get(OBJECTS, BUCKET, "short")
    assert found is not None
    kept = snapshot.get(BODIES, BUCKET, "short", found.sequence)
    assert kept is not None
    assert b"secret" not in kept
    assert ONE not in repr(found).encode()
    put(s3, "long", b"a secret that nobody shall read" * 10_000, **key())
    found = cloud.house.store.snapshot().get(OBJECTS, BUCKET, "long")
    assert found is not None
    [piece] = found.pieces
    assert b"secret" not in cloud.run(cloud.house.store.blobs.read(BlobId(piece.blob)))


def test_what_is_put_twice_is_encrypted_differently(cloud: Cloud, s3: Any) -> None:
    kept = set()
    for _ in range(3):
        put(s3, "k", b"same", **key())
        snapshot = cloud.house.store.snapshot()
        found = snapshot.get(OBJECTS, BUCKET, "k")
        assert found is not None
        kept.add(snapshot.get(BODIES, BUCKET, "k", found.sequence))
    assert len(kept) == 3


@pytest.mark.parametrize("size", [200, 200_000])
def test_ranges(s3: Any, size: int) -> None:
    chance = Random(size)
    content = bytes(number % 251 for number in range(size))
    put(s3, "k", content, **key())
    for _ in range(25):
        start = chance.randrange(size)
        end = chance.randrange(start, size)
        assert body(s3, "k", Range=f"bytes={start}-{end}", **key()) == content[start : end + 1]


def test_what_is_wrong_with_a_key(s3: Any) -> None:
    def said(**params: Any) -> tuple[str, str]:
        error = refused(put, s3, "k", **params)
        return error["Code"], error["Message"]

    must = "Requests specifying Server Side Encryption with Customer provided keys must provide"
    assert said(SSECustomerAlgorithm="AES256") == (
        "InvalidArgument",
        f"{must} an appropriate secret key.",
    )
    assert said(SSECustomerKey=ONE) == (
        "InvalidArgument",
        f"{must} a valid encryption algorithm.",
    )
    code, _ = said(SSECustomerAlgorithm="AES128", SSECustomerKey=ONE)
    assert code == "InvalidEncryptionAlgorithmError"
    code, message = said(**key(b"short"))
    assert code == "InvalidArgument"
    assert message == "The secret key was invalid for the specified algorithm."
    code, message = said(**in_text(md5_of(OTHER)))
    assert message == (
        "The calculated MD5 hash of the key did not match the hash that was provided."
    )
    code, message = said(**key(), ServerSideEncryption="AES256")
    assert "is incompatible with the encryption method specified" in message
    put(s3, "plain")
    error = refused(body, s3, "plain", **key())
    assert error["Code"] == "InvalidRequest"
    assert error["Message"] == "The encryption parameters are not applicable to this object."


def test_a_bucket_may_block_it(s3: Any) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html"""
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
    }
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert refused(put, s3, "k", **key())["Code"] == "AccessDenied"


def test_an_upload_in_parts(cloud: Cloud, s3: Any) -> None:
    place = {"Bucket": BUCKET, "Key": "big"}
    upload = s3.create_multipart_upload(**place, **key())
    assert upload["SSECustomerKeyMD5"] == md5_of(ONE)
    place["UploadId"] = upload["UploadId"]
    parts = []
    for number, content in ((1, PART), (2, b"the end")):
        done = s3.upload_part(**place, PartNumber=number, Body=content, **key())
        assert done["SSECustomerKeyMD5"] == md5_of(ONE)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    without = refused(s3.upload_part, **place, PartNumber=3, Body=b"x")
    assert without["Message"] == (
        "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate "
        "encryption parameters."
    )
    wrong = refused(s3.upload_part, **place, PartNumber=3, Body=b"x", **key(OTHER))
    assert wrong["Message"] == (
        "The provided encryption parameters did not match the ones used originally."
    )
    assert len(list(cloud.house.store.snapshot().scan(PARTS))) == 2
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    whole = PART + b"the end"
    assert body(s3, "big", **key()) == whole
    assert body(s3, "big", PartNumber=2, **key()) == b"the end"
    edge = len(PART)
    assert (
        body(s3, "big", Range=f"bytes={edge - 33}-{edge + 2}", **key())
        == whole[edge - 33 : edge + 3]
    )
    assert refused(body, s3, "big")["Code"] == "InvalidRequest"
    plain = {"Bucket": BUCKET, "Key": "plain"}
    plain["UploadId"] = s3.create_multipart_upload(**plain)["UploadId"]
    error = refused(s3.upload_part, **plain, PartNumber=1, Body=b"x", **key())
    assert error["Message"].startswith("The multipart upload initiate did not request encryption.")


@pytest.mark.parametrize("size", [100, 200_000])
def test_copies_change_the_key(s3: Any, size: int) -> None:
    content = bytes(number % 253 for number in range(size))
    put(s3, "one", content, **key())
    source = {"Bucket": BUCKET, "Key": "one"}
    from_one = key(prefix="CopySource")
    error = refused(s3.copy_object, Bucket=BUCKET, Key="two", CopySource=source)
    assert error["Code"] == "InvalidRequest"
    made = s3.copy_object(Bucket=BUCKET, Key="two", CopySource=source, **from_one, **key(OTHER))
    assert made["SSECustomerKeyMD5"] == md5_of(OTHER)
    assert body(s3, "two", **key(OTHER)) == content
    s3.copy_object(Bucket=BUCKET, Key="plain", CopySource=source, **from_one)
    assert body(s3, "plain") == content
    etag = s3.head_object(Bucket=BUCKET, Key="plain")["ETag"]
    assert etag == f'"{hashlib.md5(content).hexdigest()}"'
    s3.copy_object(
        Bucket=BUCKET, Key="plain", CopySource={"Bucket": BUCKET, "Key": "plain"}, **key()
    )
    assert body(s3, "plain", **key()) == content


def test_copied_parts(s3: Any) -> None:
    put(s3, "one", PART, **key())
    place = {"Bucket": BUCKET, "Key": "big"}
    place["UploadId"] = s3.create_multipart_upload(**place, **key(OTHER))["UploadId"]
    done = s3.upload_part_copy(
        **place,
        PartNumber=1,
        CopySource={"Bucket": BUCKET, "Key": "one"},
        CopySourceRange="bytes=7-6000",
        **key(prefix="CopySource"),
        **key(OTHER),
    )
    parts = [{"PartNumber": 1, "ETag": done["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    assert body(s3, "big", **key(OTHER)) == PART[7:6001]


def test_old_versions_have_their_own_keys(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first = put(s3, "k", b"first", **key())["VersionId"]
    put(s3, "k", b"second", **key(OTHER))
    assert body(s3, "k", **key(OTHER)) == b"second"
    assert body(s3, "k", VersionId=first, **key()) == b"first"
    s3.delete_object(Bucket=BUCKET, Key="k")


def test_attributes_need_the_key_and_tags_do_not(s3: Any) -> None:
    put(s3, "k", b"x", Tagging="a=1", **key())
    wanted = {"Bucket": BUCKET, "Key": "k", "ObjectAttributes": ["ObjectSize"]}
    assert refused(s3.get_object_attributes, **wanted)["Code"] == "InvalidRequest"
    assert s3.get_object_attributes(**wanted, **in_text(md5_of(ONE)))["ObjectSize"] == 1
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"]
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["k"]
