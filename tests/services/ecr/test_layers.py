"""Layers by the API. https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_UploadLayerPart.html"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud
from tests.oci import Image, digest_of, folder_of, push_by_api

MEGABYTE = 1024 * 1024


def refused(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def upload(ecr: Any, repository: str, id: str, first: int, content: bytes) -> Any:
    return ecr.upload_layer_part(
        repositoryName=repository,
        uploadId=id,
        partFirstByte=first,
        partLastByte=first + len(content) - 1,
        layerPartBlob=content,
    )


def test_parts_make_a_layer_that_can_be_fetched(cloud: Cloud, ecr: Any, repository: str):
    parts = [b"a" * (5 * MEGABYTE), b"b" * 10]
    started = ecr.initiate_layer_upload(repositoryName=repository)
    assert started["partSize"] == 20 * MEGABYTE
    id = started["uploadId"]
    assert upload(ecr, repository, id, 0, parts[0])["lastByteReceived"] == 5 * MEGABYTE - 1
    upload(ecr, repository, id, 5 * MEGABYTE, parts[1])
    digest = digest_of(b"".join(parts))
    done = ecr.complete_layer_upload(repositoryName=repository, uploadId=id, layerDigests=[digest])
    assert done["layerDigest"] == digest
    found = ecr.batch_check_layer_availability(
        repositoryName=repository, layerDigests=[digest, digest_of(b"x"), "strange"]
    )
    assert [one["layerAvailability"] for one in found["layers"]] == ["AVAILABLE", "UNAVAILABLE"]
    assert found["failures"][0]["failureCode"] == "InvalidLayerDigest"
    url = ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=digest)
    assert cloud.http("GET", url["downloadUrl"]).body == b"".join(parts)
    cloud.advance(3601)
    assert cloud.http("GET", url["downloadUrl"]).status == 403
    assert cloud.http("GET", url["downloadUrl"][:-8] + "AAAAAAAA").status == 403


def test_a_part_begins_where_the_last_one_ended(ecr: Any, repository: str):
    id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    with pytest.raises(ClientError) as caught:
        upload(ecr, repository, id, 7, b"late")
    assert refused(caught) == "InvalidLayerPartException"
    assert caught.value.response["uploadId"] == id


def test_the_digest_must_be_the_contents(ecr: Any, repository: str):
    id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    upload(ecr, repository, id, 0, b"content")
    with pytest.raises(ClientError) as caught:
        ecr.complete_layer_upload(
            repositoryName=repository, uploadId=id, layerDigests=[digest_of(b"other")]
        )
    assert refused(caught) == "InvalidLayerException"


def test_endings(cloud: Cloud, ecr: Any, repository: str):
    id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    with pytest.raises(ClientError) as caught:
        ecr.complete_layer_upload(
            repositoryName=repository, uploadId=id, layerDigests=[digest_of(b"")]
        )
    assert refused(caught) == "EmptyUploadException"
    for first in (0, 3):
        upload(ecr, repository, id, first, b"abc")
    with pytest.raises(ClientError) as caught:
        ecr.complete_layer_upload(
            repositoryName=repository, uploadId=id, layerDigests=[digest_of(b"abcabc")]
        )
    assert refused(caught) == "LayerPartTooSmallException"
    cloud.advance(86_401)
    with pytest.raises(ClientError) as caught:
        upload(ecr, repository, id, 6, b"abc")
    assert refused(caught) == "UploadNotFoundException"


def test_a_layer_is_had_once(ecr: Any, repository: str):
    ids = []
    for _ in range(2):
        ids.append(ecr.initiate_layer_upload(repositoryName=repository)["uploadId"])
        upload(ecr, repository, ids[-1], 0, b"same")
    digests = [digest_of(b"same")]
    ecr.complete_layer_upload(repositoryName=repository, uploadId=ids[0], layerDigests=digests)
    with pytest.raises(ClientError) as caught:
        ecr.complete_layer_upload(repositoryName=repository, uploadId=ids[1], layerDigests=digests)
    assert refused(caught) == "LayerAlreadyExistsException"
    with pytest.raises(ClientError) as caught:
        ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=digest_of(b"absent"))
    assert refused(caught) == "LayersNotFoundException"


def test_layers_without_an_image_go_after_a_day(cloud: Cloud, ecr: Any, repository: str):
    shared, own = folder_of({"shared": b"1"}), folder_of({"own": b"1"})
    first, second = Image([shared, own]), Image([shared])
    lost = Image([folder_of({"lost": b"1"})])
    for image in (first, second):
        push_by_api(ecr, repository, image)
    upload_whole(ecr, repository, lost.layers[0])

    def left() -> list[bool]:
        digests = [digest_of(one) for one in (*first.layers, lost.layers[0])]
        found = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=digests)
        return [one["layerAvailability"] == "AVAILABLE" for one in found["layers"]]

    assert left() == [True, True, True]
    cloud.advance(86_401)
    assert left() == [True, True, False]
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": first.digest}])
    assert left() == [True, True, False]
    cloud.advance(86_401)
    assert left() == [True, False, False]
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": second.digest}])
    cloud.advance(86_401)
    assert left() == [False, False, False]
    # And then nothing names their bytes.
    cloud.run(cloud.house.sweeper.sweep(0.0))
    assert cloud.run(cloud.house.store.blobs.list_old(0.0)) == []


def upload_whole(ecr: Any, repository: str, content: bytes) -> None:
    id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    upload(ecr, repository, id, 0, content)
    ecr.complete_layer_upload(
        repositoryName=repository, uploadId=id, layerDigests=[digest_of(content)]
    )
