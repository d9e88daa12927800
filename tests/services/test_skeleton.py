"""One request through every floor."""

from tests.cloud import Cloud


def test_get_caller_identity(cloud: Cloud) -> None:
    told = cloud.client("sts").get_caller_identity()
    assert told["Arn"] == "arn:aws:iam::000000000000:root"
