"""A sweep of the blobs under the services that have them."""

from __future__ import annotations

import io
import zipfile

import pytest

from serein.store.blobs import BlobMissing
from tests.cloud import Cloud


def test_s3_keeps_its_blobs(cloud: Cloud) -> None:
    """Bodies, versions, parts of uploads stay through a sweep; what a crash left goes."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    versioned = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration=versioned)
    for body in (b"1" * 100_000, b"2" * 100_000):
        s3.put_object(Bucket="kept", Key="k", Body=body)
    upload = s3.create_multipart_upload(Bucket="kept", Key="parts")["UploadId"]
    named = {"Bucket": "kept", "Key": "parts", "UploadId": upload}
    etag = s3.upload_part(**named, PartNumber=1, Body=b"3" * 100_000)["ETag"]
    orphan = cloud.run(cloud.context().blobs.write(b"left by a crash"))
    assert cloud.run(cloud.house.sweeper.sweep(0)) == 1
    s3.complete_multipart_upload(
        **named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
    )
    assert cloud.run(cloud.house.sweeper.sweep(0)) == 0
    versions = s3.list_object_versions(Bucket="kept", Prefix="k")["Versions"]
    bodies = [
        s3.get_object(Bucket="kept", Key="k", VersionId=one["VersionId"])["Body"].read()[:1]
        for one in versions
    ]
    assert bodies == [b"2", b"1"]
    assert s3.get_object(Bucket="kept", Key="parts")["Body"].read() == b"3" * 100_000
    with pytest.raises(BlobMissing):
        cloud.run(cloud.context().blobs.read(orphan))
    page = cloud.http("GET", "http://127.0.0.1:4566/_serein/metrics")
    assert b"serein_blobs_swept_total 1\n" in page.body


def test_lambda_keeps_its_blobs(cloud: Cloud) -> None:
    """The code of functions, of their versions and of layers, also of layers that only a function still uses."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return 1")
    code = packed.getvalue()
    role = cloud.client("iam").create_role(
        RoleName="r",
        AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        '"Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}',
    )["Role"]["Arn"]
    functions = cloud.client("lambda")
    layer = functions.publish_layer_version(LayerName="l", Content={"ZipFile": code})
    functions.create_function(
        FunctionName="f",
        Runtime="python3.12",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": code},
        Layers=[layer["LayerVersionArn"]],
        Publish=True,
    )
    functions.update_function_code(FunctionName="f", ZipFile=code)
    functions.delete_layer_version(LayerName="l", VersionNumber=1)
    blobs = cloud.context().blobs
    before = cloud.run(blobs.list_old(0))
    assert len(before) >= 3
    assert cloud.run(cloud.house.sweeper.sweep(0)) == 0
    functions.delete_function(FunctionName="f")
    cloud.run(cloud.house.sweeper.sweep(0))
    assert cloud.run(blobs.list_old(0)) == []
