"""Configurations that are kept and given back, and the refusals of what no bucket can have.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingBucket.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., dict[str, Any]]
KMS = "arn:aws:kms:us-east-1:000000000000:key/k"


def encryption(**default: str) -> dict[str, Any]:
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}


def test_default_encryption_is_what_objects_get(s3: Any, bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html"""
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration=encryption(SSEAlgorithm="aws:kms", KMSMasterKeyID=KMS),
    )
    told = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert told["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": KMS,
    }
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", KMS)
    s3.delete_bucket_encryption(Bucket=bucket)
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"


def test_website(s3: Any, bucket: str, refused: Refused) -> None:
    website = {"IndexDocument": {"Suffix": "index.html"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)
    assert s3.get_bucket_website(Bucket=bucket)["IndexDocument"] == {"Suffix": "index.html"}
    s3.delete_bucket_website(Bucket=bucket)
    assert refused(s3.get_bucket_website, Bucket=bucket)["Code"] == "NoSuchWebsiteConfiguration"
    s3.delete_bucket_website(Bucket=bucket)


def test_cors_is_deleted(s3: Any, bucket: str, refused: Refused) -> None:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket)["Code"] == "NoSuchCORSConfiguration"


def test_bucket_tags_are_deleted(s3: Any, bucket: str, refused: Refused) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket)["Code"] == "NoSuchTagSet"


def test_versioning_has_a_state_only_once_it_was_set(s3: Any, bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html"""
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


def test_logging(s3: Any, bucket: str, refused: Refused) -> None:
    enabled = {"TargetBucket": bucket, "TargetPrefix": "logs/"}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == enabled
    elsewhere = {"LoggingEnabled": {"TargetBucket": "absent", "TargetPrefix": ""}}
    error = refused(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=elsewhere)
    assert error["Code"] == "InvalidTargetBucketForLogging"
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_acceleration(s3: Any, bucket: str, refused: Refused) -> None:
    s3.put_bucket_accelerate_configuration(
        Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"}
    )
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Enabled"
    error = refused(
        s3.put_bucket_accelerate_configuration,
        Bucket=bucket,
        AccelerateConfiguration={"Status": "Fast"},
    )
    assert error["Code"] == "MalformedXML"


def test_request_payment(s3: Any, bucket: str, refused: Refused) -> None:
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    error = refused(
        s3.put_bucket_request_payment, Bucket=bucket, RequestPaymentConfiguration={"Payer": "Me"}
    )
    assert error["Code"] == "MalformedXML"


def test_public_access_block_is_kept_whole(s3: Any, bucket: str) -> None:
    """What is not said is off: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PublicAccessBlockConfiguration.html"""
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
    )
    told = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert told == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": False,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }


def test_intelligent_tiering(s3: Any, bucket: str, refused: Refused) -> None:
    named = {"Bucket": bucket, "Id": "all"}
    value = {
        "Id": "all",
        "Status": "Enabled",
        "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}],
    }
    s3.put_bucket_intelligent_tiering_configuration(**named, IntelligentTieringConfiguration=value)
    got = s3.get_bucket_intelligent_tiering_configuration(**named)
    assert got["IntelligentTieringConfiguration"] == value
    listed = s3.list_bucket_intelligent_tiering_configurations(Bucket=bucket)
    assert listed["IntelligentTieringConfigurationList"] == [value]
    s3.delete_bucket_intelligent_tiering_configuration(**named)
    error = refused(s3.get_bucket_intelligent_tiering_configuration, **named)
    assert (error["Code"], error["Status"]) == ("NoSuchConfiguration", 404)
    listed = s3.list_bucket_intelligent_tiering_configurations(Bucket=bucket)
    assert "IntelligentTieringConfigurationList" not in listed


def test_restoring(s3: Any, bucket: str, refused: Refused) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html"""
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    s3.put_object(Bucket=bucket, Key="cold", Body=b"x", StorageClass="GLACIER")
    assert refused(s3.get_object, Bucket=bucket, Key="cold")["Code"] == "InvalidObjectState"
    asked = {"Days": 1, "GlacierJobParameters": {"Tier": "Bulk"}}
    error = refused(s3.restore_object, Bucket=bucket, Key="plain", RestoreRequest=asked)
    assert (error["Code"], error["Status"]) == ("InvalidObjectState", 403)
    s3.restore_object(Bucket=bucket, Key="cold", RestoreRequest=asked)
    assert s3.get_object(Bucket=bucket, Key="cold")["Body"].read() == b"x"
    assert 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="cold")["Restore"]


@pytest.mark.parametrize("days", [None, 0, -1])
def test_restoring_wants_days(s3: Any, bucket: str, refused: Refused, days: int | None) -> None:
    s3.put_object(Bucket=bucket, Key="cold", Body=b"x", StorageClass="GLACIER")
    asked = {} if days is None else {"Days": days}
    error = refused(s3.restore_object, Bucket=bucket, Key="cold", RestoreRequest=asked)
    assert error["Code"] == "MalformedXML"
