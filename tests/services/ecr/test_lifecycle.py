"""Lifecycle policies. https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from serein.services.ecr.records import Image as Record
from serein.services.ecr.rules.lifecycle import expired, parse_lifecycle
from tests.cloud import Cloud
from tests.oci import Image, folder_of, push_by_api

DAY_S = 86_400.0


def rule(priority: int, **selection: Any) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": "of the documentation's examples",
        "selection": {"tagStatus": "any", **selection},
        "action": {"type": "expire"},
    }


def policy(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)})


COUNT = {"countType": "imageCountMoreThan"}
AGE = {"countType": "sinceImagePushed", "countUnit": "days"}


def image(name: str, pushed_at: float, *tags: str, members: tuple[str, ...] = ()) -> Record:
    return Record(
        account="a",
        region="r",
        repository="n",
        digest=name,
        media_type="",
        artifact_type="",
        size=0,
        pushed_at=pushed_at,
        tags=tags,
        members=members,
    )


def gone(text: str, *images: Record, now: float = 100 * DAY_S) -> list[tuple[str, int]]:
    found = expired(parse_lifecycle(text), images, now)
    return [(one.digest, priority) for one, priority in found]


def test_by_count_the_oldest_go():
    images = [image(name, at, "v" + name) for at, name in enumerate("ABCD")]
    assert gone(policy(rule(1, **COUNT, countNumber=2)), *images) == [("A", 1), ("B", 1)]


def test_by_age():
    images = [image("old", 80 * DAY_S), image("new", 95 * DAY_S)]
    assert gone(policy(rule(1, **AGE, countNumber=14)), *images) == [("old", 1)]


def test_the_documentations_example_of_two_rules():
    """Images A (Taglist ["beta-1", "prod-1"], 10 days), B (["beta-2", "prod-2"], 9 days), C (["beta-3"], 8 days).

    Rule 1: prod* more than 1. Rule 2: beta* more than 1. "Rule 2 identifies images A, B, C … however A and B were also
    tagged with prod, so they are rule 1's alone": B is kept by rule 1, A expires by it, C is rule 2's newest.
    """
    images = [
        image("A", 90 * DAY_S, "beta-1", "prod-1"),
        image("B", 91 * DAY_S, "beta-2", "prod-2"),
        image("C", 92 * DAY_S, "beta-3"),
    ]
    rules = (
        rule(1, tagStatus="tagged", tagPrefixList=["prod"], **COUNT, countNumber=1),
        rule(2, tagStatus="tagged", tagPrefixList=["beta"], **COUNT, countNumber=1),
    )
    assert gone(policy(*rules), *images) == [("A", 1)]


def test_several_patterns_must_all_fit():
    images = [image("A", 1.0, "alpha", "beta"), image("B", 2.0, "alpha"), image("C", 3.0, "beta")]
    both = rule(1, tagStatus="tagged", tagPatternList=["al*", "*eta"], **AGE, countNumber=1)
    assert gone(policy(both), *images) == [("A", 1)]


def test_untagged_images():
    images = [image("A", 1.0), image("B", 2.0, "v1")]
    assert gone(policy(rule(1, tagStatus="untagged", **AGE, countNumber=1)), *images) == [("A", 1)]


def test_members_of_an_index_stay():
    images = [image("A", 1.0), image("index", 2.0, "v1", members=("A",))]
    text = policy(rule(1, tagStatus="untagged", **AGE, countNumber=1))
    assert gone(text, *images) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.sets(st.sampled_from(["a1", "a2", "b1"]))), max_size=8
    ),
    st.integers(1, 5),
)
def test_a_count_leaves_as_many_as_it_says(given: list[tuple[int, set[str]]], count: int):
    images = [image(str(n), float(at), *tags) for n, (at, tags) in enumerate(given)]
    left = len(images) - len(gone(policy(rule(1, **COUNT, countNumber=count)), *images))
    assert left == min(len(images), count)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100,
        policy(),
        policy(
            rule(1, **COUNT, countNumber=1), rule(1, tagStatus="untagged", **COUNT, countNumber=1)
        ),
        policy(
            rule(1, **COUNT, countNumber=1), rule(2, tagStatus="untagged", **COUNT, countNumber=1)
        ),
        policy(rule(1, **COUNT, countNumber=1, countUnit="days")),
        policy(rule(1, **AGE, countNumber=0)),
        policy(rule(1, tagStatus="tagged", **AGE, countNumber=1)),
        policy(rule(1, tagStatus="tagged", tagPatternList=["a*b*c*d*e*"], **AGE, countNumber=1)),
        policy(rule(1, tagPrefixList=["a"], **AGE, countNumber=1)),
    ],
)
def test_what_is_no_policy(ecr: Any, repository: str, text: str):
    with pytest.raises(ClientError) as caught:
        ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=text.ljust(100))
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidParameterException"
    # https://github.com/cloudposse/terraform-aws-ecr/issues/158 shows the beginning.
    assert error["Message"].startswith(
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle "
        "policy validation failure: "
    )


def test_the_archive_is_refused(ecr: Any, repository: str):
    given = rule(1, countType="sinceImagePulled", countUnit="days", countNumber=90)
    given["action"] = {"type": "transition", "targetStorageClass": "archive"}
    with pytest.raises(ClientError) as caught:
        ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(given))
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def push(ecr: Any, repository: str, number: int) -> str:
    return push_by_api(ecr, repository, Image([folder_of({"n": b"%d" % number})]), f"v{number}")


def test_a_preview_changes_nothing(ecr: Any, repository: str):
    with pytest.raises(ClientError) as caught:
        ecr.get_lifecycle_policy_preview(repositoryName=repository)
    assert caught.value.response["Error"]["Code"] == "LifecyclePolicyPreviewNotFoundException"
    digests = [push(ecr, repository, number) for number in range(3)]
    text = policy(rule(1, **COUNT, countNumber=1))
    started = ecr.start_lifecycle_policy_preview(
        repositoryName=repository, lifecyclePolicyText=text
    )
    assert started["status"] == "IN_PROGRESS"
    found = ecr.get_lifecycle_policy_preview(repositoryName=repository)
    assert found["status"] == "COMPLETE"
    assert found["summary"] == {"expiringImageTotalCount": 2}
    shown = {one["imageDigest"]: one["appliedRulePriority"] for one in found["previewResults"]}
    assert len(shown) == 2
    assert set(shown) < set(digests)
    assert len(ecr.list_images(repositoryName=repository)["imageIds"]) == 3
    with pytest.raises(ClientError) as caught:
        ecr.start_lifecycle_policy_preview(repositoryName=repository)
    assert caught.value.response["Error"]["Code"] == "LifecyclePolicyNotFoundException"


def test_images_go_by_the_clock(cloud: Cloud, ecr: Any, repository: str):
    push(ecr, repository, 1)
    text = policy(rule(1, **AGE, countNumber=2))
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=text)
    assert ecr.get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"] == text
    cloud.advance(DAY_S)
    second = push(ecr, repository, 2)
    assert len(ecr.list_images(repositoryName=repository)["imageIds"]) == 2
    cloud.advance(DAY_S + 3600)
    left = ecr.list_images(repositoryName=repository)["imageIds"]
    assert [one["imageDigest"] for one in left] == [second]
    ecr.delete_lifecycle_policy(repositoryName=repository)
    cloud.advance(5 * DAY_S)
    assert len(ecr.list_images(repositoryName=repository)["imageIds"]) == 1
    with pytest.raises(ClientError) as caught:
        ecr.get_lifecycle_policy(repositoryName=repository)
    assert caught.value.response["Error"]["Code"] == "LifecyclePolicyNotFoundException"
