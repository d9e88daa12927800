"""Images by the API. https://docs.aws.amazon.com/AmazonECR/latest/userguide/images.html"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.oci import INDEX, MANIFEST, Image, descriptor, digest_of, folder_of, push_by_api

ONE = Image([folder_of({"a": b"1"})])
TWO = Image([folder_of({"a": b"1"}), folder_of({"b": b"2"})])


def refused(caught: Any) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def index_of(*images: Image) -> str:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [descriptor(image.manifest, MANIFEST) for image in images],
        }
    )


def test_an_image_is_put_got_and_described(ecr: Any, repository: str):
    assert push_by_api(ecr, repository, TWO, "v1") == TWO.digest
    answer = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "v1"}])
    image = answer["images"][0]
    assert image["imageManifest"].encode() == TWO.manifest
    assert image["imageId"] == {"imageDigest": TWO.digest, "imageTag": "v1"}
    assert image["imageManifestMediaType"] == MANIFEST
    detail = ecr.describe_images(repositoryName=repository)["imageDetails"][0]
    assert detail["imageSizeInBytes"] == sum(len(layer) for layer in TWO.layers)
    assert (detail["imageTags"], detail["imageDigest"]) == (["v1"], TWO.digest)
    assert detail["lastRecordedPullTime"] is not None


def test_layers_must_be_there(ecr: Any, repository: str):
    with pytest.raises(ClientError) as caught:
        ecr.put_image(repositoryName=repository, imageManifest=ONE.manifest.decode())
    code, message = refused(caught)
    assert code == "LayersNotFoundException"
    assert message.startswith("Layers with digests '[sha256:")
    with pytest.raises(ClientError) as caught:
        ecr.put_image(repositoryName=repository, imageManifest=index_of(ONE))
    assert refused(caught)[0] == "ReferencedImagesNotFoundException"


def test_an_image_is_put_once(ecr: Any, repository: str):
    push_by_api(ecr, repository, ONE, "v1")
    with pytest.raises(ClientError) as caught:
        push_by_api(ecr, repository, ONE, "v1")
    assert refused(caught) == (
        "ImageAlreadyExistsException",
        f"Image with digest '{ONE.digest}' and tag 'v1' already exists in the repository with "
        "name 'team/app' in the registry with id '000000000000'",
    )


def test_a_tag_moves(ecr: Any, repository: str):
    push_by_api(ecr, repository, ONE, "latest")
    push_by_api(ecr, repository, TWO, "latest")
    tagged = {
        detail["imageDigest"]: detail.get("imageTags", [])
        for detail in ecr.describe_images(repositoryName=repository)["imageDetails"]
    }
    assert tagged == {ONE.digest: [], TWO.digest: ["latest"]}
    untagged = ecr.list_images(repositoryName=repository, filter={"tagStatus": "UNTAGGED"})
    assert untagged["imageIds"] == [{"imageDigest": ONE.digest}]


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        ("{", "InvalidParameterException"),
        ("[]", "InvalidParameterException"),
        ('{"schemaVersion": 1}', "InvalidParameterException"),
        ('{"schemaVersion": 2, "mediaType": "text/plain"}', "InvalidParameterException"),
        ('{"schemaVersion": 2, "config": 1, "layers": []}', "InvalidParameterException"),
        (
            '{"schemaVersion": 2, "config": {"digest": "x"}, "layers": [1]}',
            "InvalidParameterException",
        ),
    ],
)
def test_bad_manifests(ecr: Any, repository: str, manifest: str, code: str):
    with pytest.raises(ClientError) as caught:
        ecr.put_image(repositoryName=repository, imageManifest=manifest)
    assert refused(caught)[0] == code


def test_the_digest_must_be_the_manifests(ecr: Any, repository: str):
    push_by_api(ecr, repository, ONE)
    with pytest.raises(ClientError) as caught:
        ecr.put_image(
            repositoryName=repository,
            imageManifest=ONE.manifest.decode(),
            imageDigest=digest_of(b"other"),
        )
    assert refused(caught)[0] == "ImageDigestDoesNotMatchException"


def test_ids_are_checked_one_by_one(ecr: Any, repository: str):
    push_by_api(ecr, repository, ONE, "v1")
    ids = [
        {"imageTag": "absent"},
        {},
        {"imageDigest": "strange"},
        {"imageDigest": TWO.digest, "imageTag": "v1"},
    ]
    found = ecr.batch_get_image(repositoryName=repository, imageIds=ids)
    assert found["images"] == []
    codes = [failure["failureCode"] for failure in found["failures"]]
    assert codes == ["ImageNotFound", "MissingDigestAndTag", "InvalidImageDigest", "ImageNotFound"]
    with pytest.raises(ClientError) as caught:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "absent"}])
    assert refused(caught) == (
        "ImageNotFoundException",
        "The image with imageId {imageDigest:'null', imageTag:'absent'} does not exist within the "
        "repository with name 'team/app' in the registry with id '000000000000'",
    )


def test_an_image_goes_with_its_last_tag(ecr: Any, repository: str):
    for tag in ("v1", "v2"):
        push_by_api(ecr, repository, ONE, tag)
    gone = ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "v1"}])
    assert gone["imageIds"] == [{"imageDigest": ONE.digest, "imageTag": "v1"}]
    assert len(ecr.list_images(repositoryName=repository)["imageIds"]) == 1
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "v2"}])
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []


def test_a_member_of_an_index_stays(ecr: Any, repository: str):
    push_by_api(ecr, repository, ONE)
    text = index_of(ONE)
    ecr.put_image(repositoryName=repository, imageManifest=text, imageTag="multi")
    by_digest = [{"imageDigest": ONE.digest}]
    kept = ecr.batch_delete_image(repositoryName=repository, imageIds=by_digest)
    assert kept["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    both = [{"imageTag": "multi"}, *by_digest]
    assert ecr.batch_delete_image(repositoryName=repository, imageIds=both)["failures"] == []


def test_referrers(ecr: Any, repository: str):
    push_by_api(ecr, repository, ONE, "v1")
    signature = Image(
        [b"signed"],
        subject=descriptor(ONE.manifest, MANIFEST),
        artifactType="application/vnd.example.signature",
        annotations={"by": "me"},
    )
    push_by_api(ecr, repository, signature)
    found = ecr.list_image_referrers(
        repositoryName=repository, subjectId={"imageDigest": ONE.digest}
    )["referrers"]
    assert [one["digest"] for one in found] == [signature.digest]
    assert found[0]["artifactType"] == "application/vnd.example.signature"
    assert (found[0]["size"], found[0]["annotations"]) == (len(signature.manifest), {"by": "me"})
    none = ecr.list_image_referrers(
        repositoryName=repository,
        subjectId={"imageDigest": ONE.digest},
        filter={"artifactTypes": ["other"]},
    )
    assert none["referrers"] == []


def test_pages_of_images(ecr: Any, repository: str):
    for number in range(5):
        push_by_api(ecr, repository, Image([folder_of({"n": b"%d" % number})]), f"v{number}")
    for listing, member in (("list_images", "imageIds"), ("describe_images", "imageDetails")):
        pages = list(
            ecr.get_paginator(listing).paginate(
                repositoryName=repository, PaginationConfig={"PageSize": 2}
            )
        )
        assert [len(page[member]) for page in pages] == [2, 2, 1]
        digests = [one["imageDigest"] for page in pages for one in page[member]]
        assert len(set(digests)) == 5


def test_replication_is_nowhere(ecr: Any, repository: str):
    push_by_api(ecr, repository, ONE, "v1")
    status = ecr.describe_image_replication_status(
        repositoryName=repository, imageId={"imageTag": "v1"}
    )
    assert status["replicationStatuses"] == []
