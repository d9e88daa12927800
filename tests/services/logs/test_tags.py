"""Tags by ARN and by name see the same (as recorded: recordings/logs.json, test_tag_resource_api)."""

from __future__ import annotations

from tests.services.logs.conftest import refused

ARN = "arn:aws:logs:us-east-1:000000000000:log-group:app"


def test_both_forms(logs):
    logs.create_log_group(logGroupName="app", tags={"env": "testing1"})

    def tags():
        by_arn = logs.list_tags_for_resource(resourceArn=ARN)["tags"]
        assert logs.list_tags_log_group(logGroupName="app")["tags"] == by_arn
        return by_arn

    logs.tag_resource(resourceArn=ARN, tags={"test1": "val1", "test2": "val2"})
    assert tags() == {"env": "testing1", "test1": "val1", "test2": "val2"}
    logs.tag_log_group(logGroupName="app", tags={"test3": "val3"})
    logs.untag_resource(resourceArn=ARN, tagKeys=["env", "test3"])
    assert tags() == {"test1": "val1", "test2": "val2"}
    logs.untag_log_group(logGroupName="app", tags=["test1"])
    assert tags() == {"test2": "val2"}


def test_what_is_not_there(logs):
    assert refused(logs.list_tags_for_resource, resourceArn=ARN)[0] == "ResourceNotFoundException"
    assert refused(logs.tag_log_group, logGroupName="app", tags={"a": "b"})[0] == (
        "ResourceNotFoundException"
    )


def test_fifty_are_the_most(logs):
    logs.create_log_group(logGroupName="app", tags={f"k{n}": "v" for n in range(50)})
    logs.tag_resource(resourceArn=ARN, tags={"k1": "new"})
    assert refused(logs.tag_resource, resourceArn=ARN, tags={"more": "v"})[0] == (
        "TooManyTagsException"
    )
