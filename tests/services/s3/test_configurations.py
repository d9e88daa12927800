"""Configurations that are kept and given back. Answers as recorded: TestS3BucketAccelerateConfiguration, TestS3BucketLogging."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.s3.words import BUCKET, refused

KMS = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "a-key"}


def test_acceleration(s3: Any, bucket: str) -> None:
    def put(status: str, name: str = BUCKET) -> None:
        configuration = {"Status": status}
        s3.put_bucket_accelerate_configuration(Bucket=name, AccelerateConfiguration=configuration)

    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=BUCKET)
    for status in ("Enabled", "Suspended"):
        put(status)
        assert s3.get_bucket_accelerate_configuration(Bucket=BUCKET)["Status"] == status
    assert refused(put, "enabled")["Code"] == "MalformedXML"
    s3.create_bucket(Bucket="a.bucket")
    assert refused(put, "Enabled", "a.bucket")["Code"] == "InvalidRequest"


def test_logging(s3: Any, bucket: str) -> None:
    s3.create_bucket(Bucket="log-bucket")
    status = {"LoggingEnabled": {"TargetBucket": "log-bucket", "TargetPrefix": "log"}}
    s3.put_bucket_logging(Bucket=BUCKET, BucketLoggingStatus=status)
    assert s3.get_bucket_logging(Bucket=BUCKET)["LoggingEnabled"] == status["LoggingEnabled"]
    status = {"LoggingEnabled": {"TargetBucket": "no-such-bucket", "TargetPrefix": ""}}
    error = refused(s3.put_bucket_logging, Bucket=BUCKET, BucketLoggingStatus=status)
    assert error["Code"] == "InvalidTargetBucketForLogging"


def test_request_payment(s3: Any, bucket: str) -> None:
    s3.put_bucket_request_payment(
        Bucket=BUCKET, RequestPaymentConfiguration={"Payer": "Requester"}
    )
    assert s3.get_bucket_request_payment(Bucket=BUCKET)["Payer"] == "Requester"


def test_encryption(s3: Any, bucket: str) -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": KMS, "BucketKeyEnabled": True}]
    s3.put_bucket_encryption(
        Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": rules}
    )
    got = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    assert got["Rules"] == rules
    made = s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    assert (made["ServerSideEncryption"], made["SSEKMSKeyId"]) == ("aws:kms", "a-key")
    s3.delete_bucket_encryption(Bucket=BUCKET)
    got = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    default = {"SSEAlgorithm": "AES256"}
    assert got["Rules"][0]["ApplyServerSideEncryptionByDefault"] == default


def test_public_access_block(s3: Any, bucket: str) -> None:
    s3.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
    )
    got = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert got == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": False,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }


def test_intelligent_tiering(s3: Any, bucket: str) -> None:
    named = {"Bucket": BUCKET, "Id": "a"}
    tier = {"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}
    configuration = {"Id": "a", "Status": "Enabled", "Tierings": [tier]}
    s3.put_bucket_intelligent_tiering_configuration(
        **named, IntelligentTieringConfiguration=configuration
    )
    got = s3.get_bucket_intelligent_tiering_configuration(**named)
    assert got["IntelligentTieringConfiguration"] == configuration
    listed = s3.list_bucket_intelligent_tiering_configurations(Bucket=BUCKET)
    assert listed["IntelligentTieringConfigurationList"] == [configuration]
    s3.delete_bucket_intelligent_tiering_configuration(**named)
    error = refused(s3.get_bucket_intelligent_tiering_configuration, **named)
    assert error["Code"] == "NoSuchConfiguration"


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_versioning(s3: Any, bucket: str, status: str) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == status


def test_deleting_configurations_twice_is_no_error(s3: Any, bucket: str) -> None:
    for _ in range(2):
        s3.delete_bucket_cors(Bucket=BUCKET)
        s3.delete_bucket_website(Bucket=BUCKET)
        s3.delete_bucket_tagging(Bucket=BUCKET)
        s3.delete_bucket_policy(Bucket=BUCKET)
