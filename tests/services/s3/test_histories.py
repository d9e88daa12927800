"""Versions against a reference model: any sequence of puts, deletes and changes of the bucket's versioning.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serein.base.errors import AwsError
from tests.cloud import Cloud

KEYS = ("a", "a/b", "b")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS)),
        st.tuples(st.just("delete"), st.sampled_from(KEYS)),
        st.tuples(st.just("remove"), st.integers(0, 20)),
        st.tuples(st.just("set"), st.sampled_from(["Enabled", "Suspended"])),
    ),
    max_size=14,
)
_numbers = itertools.count()

Version = tuple[str, str, bytes | None]
"""Key, version id, content (None: a delete marker)."""


class Model:
    """All versions of each key, newest first."""

    def __init__(self) -> None:
        self.status = ""
        self.versions: dict[str, list[Version]] = {}

    def add(self, key: str, id: str, content: bytes | None) -> None:
        kept = self.versions.get(key, [])
        if id == "null":
            kept = [version for version in kept if version[1] != "null"]
        self.versions[key] = [(key, id, content), *kept]

    def all(self) -> list[tuple[Version, bool]]:
        return [
            (version, place == 0)
            for key in sorted(self.versions)
            for place, version in enumerate(self.versions[key])
        ]


class Bucket:
    """A bucket of the house, spoken to from inside, beside the model of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.name = f"bucket-{next(_numbers)}"
        self.model = Model()
        self.call("CreateBucket")

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        cx = self.cloud.context()
        return self.cloud.run(
            cx.call(cx.make_call("s3", operation, {"Bucket": self.name, **params}))
        )

    def put(self, key: str) -> None:
        content = str(next(_numbers)).encode()
        answer = self.call("PutObject", Key=key, Body=content)
        self.model.add(key, answer.get("VersionId", "null"), content)

    def delete(self, key: str) -> None:
        answer = self.call("DeleteObject", Key=key)
        if self.model.status:
            self.model.add(key, answer["VersionId"], None)
        else:
            self.model.versions.pop(key, None)

    def remove(self, place: int) -> None:
        there = self.model.all()
        if not there:
            return
        (key, id, content), _ = there[place % len(there)]
        answer = self.call("DeleteObject", Key=key, VersionId=id)
        assert bool(answer.get("DeleteMarker")) == (content is None)
        kept = [version for version in self.model.versions[key] if version[1] != id]
        self.model.versions[key] = kept
        if not kept:
            del self.model.versions[key]

    def set(self, status: str) -> None:
        self.call("PutBucketVersioning", VersioningConfiguration={"Status": status})
        self.model.status = status

    def listed(self, page: int) -> list[tuple[str, str, bool, bool]]:
        """Key, id, whether it is a marker, whether it is the latest: from pages of `page` entries, in order."""
        found: list[tuple[str, str, bool, bool]] = []
        more: dict[str, Any] = {}
        while True:
            answer = self.call("ListObjectVersions", MaxKeys=page, **more)
            for member in ("Versions", "DeleteMarkers"):
                found += [
                    (entry["Key"], entry["VersionId"], member != "Versions", entry["IsLatest"])
                    for entry in answer.get(member, ())
                ]
            if not answer["IsTruncated"]:
                return found
            more = {
                "KeyMarker": answer["NextKeyMarker"],
                "VersionIdMarker": answer["NextVersionIdMarker"],
            }


@pytest.mark.parametrize("page", [1, 3, 1000])
@given(steps=STEPS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_history(cloud: Cloud, page: int, steps: list[tuple[str, Any]]) -> None:
    bucket = Bucket(cloud)
    for step, value in steps:
        getattr(bucket, step)(value)
    expected = [
        (key, id, content is None, latest) for (key, id, content), latest in bucket.model.all()
    ]
    assert sorted(bucket.listed(page)) == sorted(expected)
    if page == 1:
        assert bucket.listed(page) == expected
    latest = {key: versions[0][2] for key, versions in bucket.model.versions.items()}
    shown = bucket.call("ListObjectsV2").get("Contents", [])
    assert [entry["Key"] for entry in shown] == sorted(
        key for key, content in latest.items() if content is not None
    )
    for (key, id, content), is_latest in bucket.model.all():
        if content is None:
            with pytest.raises(AwsError):
                bucket.call("GetObject", Key=key, VersionId=id)
            continue
        assert bucket.call("GetObject", Key=key, VersionId=id)["Body"] == content
        if is_latest:
            assert bucket.call("GetObject", Key=key)["Body"] == content
