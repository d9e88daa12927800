"""Between accounts, and services that act for somebody: who may reach what, and who is fooled into it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.security.conftest import ACCOUNT, OTHER, Person, code_of, document, message_of

HOME = "arn:aws:s3:::home-bucket"


@pytest.fixture(scope="module")
def town() -> Iterator[Cloud]:
    cloud = Cloud()
    s3 = cloud.client("s3", access_key=ACCOUNT)
    s3.create_bucket(Bucket="home-bucket")
    s3.put_object(Bucket="home-bucket", Key="k", Body=b"x")
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def settle(town: Cloud) -> Callable[[str, str], Person]:
    """`settle(name, account)`: a user of an account who may everything there."""

    def make(name: str, account: str, *statements: dict[str, Any]) -> Person:
        iam = town.client("iam", access_key=account)
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        given = document(*(statements or ({"Action": "*"},)))
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=given)
        return Person(town, arn, iam.create_access_key(UserName=name)["AccessKey"])

    return make


@pytest.fixture(scope="module")
def writer(settle: Any) -> Person:
    put = {"Action": ["s3:PutObject", "s3:GetObject", "s3:CreateBucket"]}
    person: Person = settle("writer", ACCOUNT, put)
    return person


def resource_policy(principal: Any, action: str, resource: Any, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **more}]})


class TestBuckets:
    @pytest.fixture
    def s3(self, town: Cloud) -> Iterator[Any]:
        client = town.client("s3", access_key=ACCOUNT)
        yield client
        client.delete_bucket_policy(Bucket="home-bucket")

    def read(self, person: Person) -> Any:
        return person.client("s3").get_object(Bucket="home-bucket", Key="k")

    def test_both_sides_must_allow(self, settle: Any, s3: Any) -> None:
        bob, eve = settle("bob", OTHER), settle("eve", OTHER, {"Action": "sqs:*"})
        assert message_of(self.read, person=bob) == "Access Denied"
        policy = resource_policy({"AWS": [bob.arn, eve.arn]}, "s3:GetObject", f"{HOME}/*")
        s3.put_bucket_policy(Bucket="home-bucket", Policy=policy)
        assert self.read(bob)["Body"].read() == b"x"
        assert code_of(self.read, person=eve) == "AccessDenied"

    def test_a_named_user_is_not_their_whole_account(self, settle: Any, s3: Any) -> None:
        one, two = settle("one", OTHER), settle("two", OTHER)
        policy = resource_policy({"AWS": one.arn}, "s3:GetObject", f"{HOME}/*")
        s3.put_bucket_policy(Bucket="home-bucket", Policy=policy)
        self.read(one)
        assert code_of(self.read, person=two) == "AccessDenied"

    def test_what_is_theirs_stays_theirs(self, settle: Any, town: Cloud) -> None:
        """Another account's administrator: nothing but by the owner's policy."""
        bob = settle("admin", OTHER).client("s3")
        for operation, params in (
            ("list_objects_v2", {}),
            ("put_object", {"Key": "new", "Body": b""}),
            ("delete_object", {"Key": "k"}),
            ("put_bucket_policy", {"Policy": resource_policy("*", "s3:*", f"{HOME}/*")}),
            ("delete_bucket", {}),
            ("get_bucket_policy", {}),
            (
                "put_public_access_block",
                {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}},
            ),
        ):
            assert code_of(getattr(bob, operation), Bucket="home-bucket", **params) == "AccessDenied", operation  # fmt: skip

    def test_a_copy_needs_the_source(self, settle: Any, town: Cloud) -> None:
        bob = settle("copier", OTHER).client("s3")
        bob.create_bucket(Bucket="their-bucket")
        source = {"Bucket": "home-bucket", "Key": "k"}
        copy = {"Bucket": "their-bucket", "Key": "c", "CopySource": source}
        assert code_of(bob.copy_object, **copy) == "AccessDenied"
        upload = bob.create_multipart_upload(Bucket="their-bucket", Key="c")["UploadId"]
        assert code_of(bob.upload_part_copy, PartNumber=1, UploadId=upload, **copy) == "AccessDenied"  # fmt: skip


class TestSeveralActions:
    """Writes that bring more along need more. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""

    @pytest.mark.parametrize(
        ("more", "needed"),
        [
            ({"Tagging": "a=b"}, "s3:PutObjectTagging"),
            ({"ACL": "public-read"}, "s3:PutObjectAcl"),
            ({"GrantRead": "uri=http://acs.amazonaws.com/groups/global/AllUsers"}, "s3:PutObjectAcl"),
            ({"ObjectLockLegalHoldStatus": "ON"}, "s3:PutObjectLegalHold"),
            ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": 4_000_000_000}, "s3:PutObjectRetention"),
        ],
    )  # fmt: skip
    def test_objects(self, writer: Person, more: dict[str, Any], needed: str) -> None:
        s3 = writer.client("s3")
        s3.put_object(Bucket="home-bucket", Key="w", Body=b"")
        for operation in (s3.put_object, s3.create_multipart_upload):
            assert needed in message_of(operation, Bucket="home-bucket", Key="w", **more)

    @pytest.mark.parametrize(
        ("more", "needed"),
        [
            ({"ACL": "private"}, "s3:PutBucketAcl"),
            ({"ObjectLockEnabledForBucket": True}, "s3:PutBucketObjectLockConfiguration"),
            ({"ObjectOwnership": "ObjectWriter"}, "s3:PutBucketOwnershipControls"),
            (
                {"CreateBucketConfiguration": {"Tags": [{"Key": "a", "Value": "b"}]}},
                "s3:TagResource",
            ),
        ],
    )
    def test_buckets(self, writer: Person, more: dict[str, Any], needed: str) -> None:
        assert needed in message_of(writer.client("s3").create_bucket, Bucket="made-by-w", **more)

    def test_tags_are_not_copied_unseen(self, writer: Person, town: Cloud) -> None:
        town.client("s3", access_key=ACCOUNT).put_object(
            Bucket="home-bucket", Key="tagged", Body=b"", Tagging="a=b"
        )
        copy = {"Bucket": "home-bucket", "Key": "c", "CopySource": "home-bucket/tagged"}
        assert "s3:GetObjectTagging" in message_of(writer.client("s3").copy_object, **copy)
        writer.client("s3").copy_object(**{**copy, "CopySource": "home-bucket/k"})

    def test_who_may_not_list_is_not_told_what_is_missing(self, writer: Person, town: Cloud) -> None:  # fmt: skip
        s3 = writer.client("s3")
        assert code_of(s3.get_object, Bucket="home-bucket", Key="nothing") == "AccessDenied"
        assert code_of(s3.head_object, Bucket="home-bucket", Key="nothing") == "403"
        root = town.client("s3", access_key=ACCOUNT)
        assert code_of(root.get_object, Bucket="home-bucket", Key="nothing") == "NoSuchKey"


class TestQueues:
    @pytest.fixture
    def queue(self, town: Cloud) -> Iterator[tuple[Any, str, str]]:
        sqs = town.client("sqs", access_key=ACCOUNT)
        url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:inbox"
        yield sqs, url, arn
        sqs.delete_queue(QueueUrl=url)

    def allow(self, queue: Any, principal: Any, **more: Any) -> None:
        sqs, url, arn = queue
        policy = resource_policy(principal, "sqs:SendMessage", arn, **more)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    def test_both_sides_must_allow(self, queue: Any, settle: Any) -> None:
        bob = settle("sender", OTHER)
        send = bob.client("sqs").send_message
        assert "because no resource-based policy allows the sqs:sendmessage action" in message_of(send, QueueUrl=queue[1], MessageBody="x")  # fmt: skip
        self.allow(queue, {"AWS": OTHER})
        send(QueueUrl=queue[1], MessageBody="x")
        receive = bob.client("sqs").receive_message
        with pytest.raises(Exception, match="not authorized"):
            receive(QueueUrl=queue[1])

    def notify(self, town: Cloud, account: str, bucket: str, arn: str) -> None:
        s3 = town.client("s3", access_key=account)
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
            SkipDestinationValidation=True,
        )  # fmt: skip
        s3.put_object(Bucket=bucket, Key="k", Body=b"")
        town.settle()

    def received(self, queue: Any) -> list[str]:
        found = queue[0].receive_message(QueueUrl=queue[1], MaxNumberOfMessages=10)
        return [each["Body"] for each in found.get("Messages", ())]

    def test_a_service_is_no_key_to_everybodys_queue(self, queue: Any, town: Cloud) -> None:
        """The confused deputy: S3 may write to my queue, but for my buckets alone."""
        mine = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        self.allow(queue, {"Service": "s3.amazonaws.com"}, Condition=mine)
        self.notify(town, OTHER, "evil-bucket", queue[2])
        assert not [body for body in self.received(queue) if "evil-bucket" in body]
        self.notify(town, ACCOUNT, "good-bucket", queue[2])
        assert [body for body in self.received(queue) if "good-bucket" in body]

    def test_by_the_bucket_and_not_by_its_look(self, queue: Any, town: Cloud) -> None:
        like = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::named-bucket"}}
        self.allow(queue, {"Service": "s3.amazonaws.com"}, Condition=like)
        self.notify(town, ACCOUNT, "named-bucket-2", queue[2])
        assert not self.received(queue)
        self.notify(town, ACCOUNT, "named-bucket", queue[2])
        assert self.received(queue)

    def test_without_a_policy_no_service_may(self, queue: Any, town: Cloud) -> None:
        self.notify(town, ACCOUNT, "silent-bucket", queue[2])
        assert not self.received(queue)

    def test_nobody_can_say_whom_they_act_for(self, queue: Any, settle: Any) -> None:
        """The source is the house's to tell: no header makes one."""
        like = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::named-bucket"}}
        self.allow(queue, "*", Condition=like)
        eve = settle("forger", OTHER)
        sqs = eve.client("sqs")
        sqs.meta.events.register("before-sign.sqs", forged)
        with pytest.raises(Exception, match="not authorized"):
            sqs.send_message(QueueUrl=queue[1], MessageBody="x")


def forged(request: Any, **_: Any) -> None:
    request.headers["x-amz-source-arn"] = "arn:aws:s3:::named-bucket"
    request.headers["x-amz-source-account"] = ACCOUNT


@pytest.mark.parametrize(
    ("service", "operation", "member", "form"),
    [
        ("sqs", "get_queue_url", "QueueName", "{name}"),
        ("dynamodb", "describe_table", "TableName", "arn:aws:dynamodb:us-east-1:{account}:table/{name}"),
        ("lambda", "get_function", "FunctionName", "arn:aws:lambda:us-east-1:{account}:function:{name}"),
        ("iam", "get_policy", "PolicyArn", "arn:aws:iam::{account}:policy/{name}"),
        ("logs", "list_tags_for_resource", "resourceArn", "arn:aws:logs:us-east-1:{account}:log-group:{name}"),
    ],
)  # fmt: skip
def test_refusals_do_not_tell_what_another_account_has(
    town: Cloud, service: str, operation: str, member: str, form: str
) -> None:
    """What is there and what is not are refused in the same words."""
    if not town.client("sqs", access_key=ACCOUNT).list_queues(QueueNamePrefix="there").get("QueueUrls"):  # fmt: skip
        town.client("sqs", access_key=ACCOUNT).create_queue(QueueName="there")
        town.client("logs", access_key=ACCOUNT).create_log_group(logGroupName="there")
        policy = document({"Action": "s3:*"})
        town.client("iam", access_key=ACCOUNT).create_policy(PolicyName="there", PolicyDocument=policy)  # fmt: skip
        town.client("dynamodb", access_key=ACCOUNT).create_table(
            TableName="there",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    call = getattr(town.client(service, access_key=OTHER), operation)
    more = {"QueueOwnerAWSAccountId": ACCOUNT} if service == "sqs" else {}
    told = [
        message_of(call, **{member: form.format(account=ACCOUNT, name=name), **more})
        for name in ("there", "where")
    ]
    assert told[0].replace("there", "where") == told[1]
    assert "not authorized" in told[0]


class TestOrganizations:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"""

    def test_a_control_policy_binds_a_member_and_its_root(self, town: Cloud) -> None:
        organizations = town.client("organizations", access_key=ACCOUNT)
        organizations.create_organization(FeatureSet="ALL")
        [top] = organizations.list_roots()["Roots"]
        organizations.enable_policy_type(RootId=top["Id"], PolicyType="SERVICE_CONTROL_POLICY")
        made = organizations.create_account(AccountName="member", Email="m@example.com")
        town.settle()
        status = made["CreateAccountStatus"]["Id"]
        found = organizations.describe_create_account_status(CreateAccountRequestId=status)
        member = found["CreateAccountStatus"]["AccountId"]
        there = town.client("sqs", access_key=member)
        there.list_queues()
        deny = document({"Effect": "Deny", "Action": "sqs:*"})
        policy = organizations.create_policy(
            Name="no-queues", Description="", Type="SERVICE_CONTROL_POLICY", Content=deny
        )["Policy"]["PolicySummary"]
        organizations.attach_policy(PolicyId=policy["Id"], TargetId=member)
        told = message_of(there.list_queues)
        assert told.endswith(f"with an explicit deny in a service control policy: {policy['Arn']}")
        town.client("sqs", access_key=ACCOUNT).list_queues()
        organizations.detach_policy(PolicyId=policy["Id"], TargetId=member)
        there.list_queues()
