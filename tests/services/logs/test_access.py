"""Which ARN a request is judged by: a group's with an empty stream behind it, as AWS's refusals show.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
"""

from __future__ import annotations

import json

import pytest

from tests.services.logs.conftest import refused

GROUP = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f"


@pytest.fixture
def as_user(cloud):
    """A client of logs that may do what is given on a resource."""

    def client(resource, *actions):
        iam = cloud.client("iam")
        iam.create_user(UserName="writer")
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="writer", PolicyName="logs", PolicyDocument=document)
        key = iam.create_access_key(UserName="writer")["AccessKey"]
        return cloud.client(
            "logs", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
        )

    return client


def test_the_usual_policy_of_a_function(logs, as_user, now):
    mine = as_user(f"{GROUP}:*", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    place = {"logGroupName": "/aws/lambda/f", "logStreamName": "s"}
    mine.create_log_group(logGroupName="/aws/lambda/f")
    mine.create_log_stream(**place)
    mine.put_log_events(**place, logEvents=[{"timestamp": now(), "message": "x"}])
    code, message = refused(mine.create_log_group, logGroupName="/aws/lambda/other")
    assert code == "AccessDeniedException"
    assert message == (
        "User: arn:aws:iam::000000000000:user/writer is not authorized to perform: logs:CreateLogGroup "
        "on resource: arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/other:log-stream: "
        "because no identity-based policy allows the logs:CreateLogGroup action"
    )
    assert refused(mine.get_log_events, **place)[0] == "AccessDeniedException"


def test_one_stream_only(logs, as_user, now):
    logs.create_log_group(logGroupName="/aws/lambda/f")
    for name in ("a", "b"):
        logs.create_log_stream(logGroupName="/aws/lambda/f", logStreamName=name)
    mine = as_user(f"{GROUP}:log-stream:a", "logs:*")
    event = {"timestamp": now(), "message": "x"}
    for group in ({"logGroupName": "/aws/lambda/f"}, {"logGroupIdentifier": GROUP}):
        assert mine.get_log_events(**group, logStreamName="a")["events"] is not None
        assert (
            refused(mine.get_log_events, **group, logStreamName="b")[0] == "AccessDeniedException"
        )
    mine.put_log_events(logGroupName="/aws/lambda/f", logStreamName="a", logEvents=[event])
    assert refused(mine.filter_log_events, logGroupName="/aws/lambda/f")[0] == (
        "AccessDeniedException"
    )


def test_tags_are_judged_by_the_arn_that_is_given(logs, as_user):
    logs.create_log_group(logGroupName="/aws/lambda/f", tags={"a": "b"})
    mine = as_user(GROUP, "logs:ListTagsForResource")
    assert mine.list_tags_for_resource(resourceArn=GROUP)["tags"] == {"a": "b"}
    assert refused(mine.list_tags_for_resource, resourceArn=GROUP + "x")[0] == (
        "AccessDeniedException"
    )
