"""Parameter groups, subnet groups, events, tags.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Accelerator_(DAX).html
"""

from __future__ import annotations

from tests.services.dax.test_clusters import refused


def values_of(dax, group: str) -> dict[str, str]:
    told = dax.describe_parameters(ParameterGroupName=group)["Parameters"]
    return {one["ParameterName"]: one["ParameterValue"] for one in told}


def test_the_default_parameters(dax):
    """As https://docs.aws.amazon.com/cli/latest/reference/dax/describe-default-parameters.html shows them."""
    told = dax.describe_default_parameters()["Parameters"]
    assert told[0] == {
        "ParameterName": "query-ttl-millis",
        "ParameterType": "DEFAULT",
        "ParameterValue": "300000",
        "NodeTypeSpecificValues": [],
        "Description": "Duration in milliseconds for queries to remain cached",
        "Source": "user",
        "DataType": "integer",
        "AllowedValues": "0-",
        "IsModifiable": "TRUE",
        "ChangeType": "IMMEDIATE",
    }
    assert values_of(dax, "default.dax1.0") == {
        "query-ttl-millis": "300000",
        "record-ttl-millis": "300000",
    }


def test_a_group_is_made_changed_and_removed(dax):
    made = dax.create_parameter_group(ParameterGroupName="Quick", Description="short")
    assert made["ParameterGroup"] == {"ParameterGroupName": "quick", "Description": "short"}
    changed = [{"ParameterName": "record-ttl-millis", "ParameterValue": "1000"}]
    dax.update_parameter_group(ParameterGroupName="quick", ParameterNameValues=changed)
    assert values_of(dax, "quick")["record-ttl-millis"] == "1000"
    names = [
        one["ParameterGroupName"] for one in dax.describe_parameter_groups()["ParameterGroups"]
    ]
    assert names == ["default.dax1.0", "quick"]
    assert refused(dax.create_parameter_group, ParameterGroupName="quick") == (
        "ParameterGroupAlreadyExistsFault"
    )
    told = dax.delete_parameter_group(ParameterGroupName="quick")
    assert told["DeletionMessage"] == "Parameter group quick has been deleted."
    assert refused(dax.describe_parameters, ParameterGroupName="quick") == (
        "ParameterGroupNotFoundFault"
    )
    assert refused(dax.describe_parameter_groups, ParameterGroupNames=["quick"]) == (
        "ParameterGroupNotFoundFault"
    )


def test_wrong_parameters_are_refused(dax):
    dax.create_parameter_group(ParameterGroupName="quick")
    for name, value in (
        ("memory", "1"),
        ("record-ttl-millis", "-1"),
        ("record-ttl-millis", "soon"),
        ("query-ttl-millis", "9" * 30),
    ):
        wrong = [{"ParameterName": name, "ParameterValue": value}]
        assert refused(
            dax.update_parameter_group, ParameterGroupName="quick", ParameterNameValues=wrong
        ) == ("InvalidParameterValueException")
    one = [{"ParameterName": "record-ttl-millis", "ParameterValue": "1"}]
    assert refused(
        dax.update_parameter_group, ParameterGroupName="default.dax1.0", ParameterNameValues=one
    ) == ("InvalidParameterValueException")
    assert refused(dax.delete_parameter_group, ParameterGroupName="default.dax1.0") == (
        "InvalidParameterValueException"
    )


def test_groups_in_use_stay(cloud, dax, role):
    dax.create_parameter_group(ParameterGroupName="quick")
    dax.create_subnet_group(SubnetGroupName="inner", SubnetIds=["subnet-1"])
    dax.create_cluster(
        ClusterName="c",
        NodeType="dax.t3.small",
        ReplicationFactor=1,
        IamRoleArn=role,
        ParameterGroupName="quick",
        SubnetGroupName="inner",
    )
    assert refused(dax.delete_parameter_group, ParameterGroupName="quick") == (
        "InvalidParameterGroupStateFault"
    )
    assert refused(dax.delete_subnet_group, SubnetGroupName="inner") == "SubnetGroupInUseFault"


def test_the_number_of_groups_is_bounded(dax):
    for number in range(20):
        dax.create_parameter_group(ParameterGroupName=f"g{number}")
    assert refused(dax.create_parameter_group, ParameterGroupName="more") == (
        "ParameterGroupQuotaExceededFault"
    )


def test_subnet_groups(dax):
    made = dax.create_subnet_group(
        SubnetGroupName="Inner", Description="d", SubnetIds=["subnet-1", "subnet-2"]
    )["SubnetGroup"]
    assert made["SubnetGroupName"] == "inner"
    assert made["VpcId"].startswith("vpc-")
    assert [one["SubnetIdentifier"] for one in made["Subnets"]] == ["subnet-1", "subnet-2"]
    told = dax.update_subnet_group(SubnetGroupName="inner", SubnetIds=["subnet-3"])["SubnetGroup"]
    assert [one["SubnetIdentifier"] for one in told["Subnets"]] == ["subnet-3"]
    assert told["Description"] == "d"
    listed = dax.describe_subnet_groups()["SubnetGroups"]
    assert [one["SubnetGroupName"] for one in listed] == ["default", "inner"]
    assert refused(dax.create_subnet_group, SubnetGroupName="inner", SubnetIds=["subnet-1"]) == (
        "SubnetGroupAlreadyExistsFault"
    )
    for wrong in ([], ["sub"]):
        assert refused(dax.create_subnet_group, SubnetGroupName="x", SubnetIds=wrong) == (
            "InvalidSubnet"
        )
    many = [f"subnet-{number}" for number in range(21)]
    assert refused(dax.create_subnet_group, SubnetGroupName="x", SubnetIds=many) == (
        "SubnetQuotaExceededFault"
    )
    message = dax.delete_subnet_group(SubnetGroupName="inner")["DeletionMessage"]
    assert message == "Subnet group inner has been deleted."
    assert refused(dax.describe_subnet_groups, SubnetGroupNames=["inner"]) == (
        "SubnetGroupNotFoundFault"
    )


def test_events_of_the_last_hour_and_of_others(cloud, dax, cluster):
    cloud.advance(1)
    dax.decrease_replication_factor(ClusterName="fast", NewReplicationFactor=1)
    cloud.settle()
    told = dax.describe_events()["Events"]
    assert [event["Message"] for event in told] == ["Removed node fast-b.", "Cluster created."]
    assert {event["SourceType"] for event in told} == {"CLUSTER"}
    dax.create_parameter_group(ParameterGroupName="g")
    of_groups = dax.describe_events(SourceType="PARAMETER_GROUP")["Events"]
    assert [event["SourceName"] for event in of_groups] == ["g"]
    assert len(dax.describe_events(SourceName="fast", SourceType="CLUSTER")["Events"]) == 2
    assert refused(dax.describe_events, SourceName="fast") == (
        "InvalidParameterCombinationException"
    )
    cloud.advance(2 * 3600)
    assert dax.describe_events()["Events"] == []
    assert len(dax.describe_events(Duration=180)["Events"]) == 3
    assert len(dax.describe_events(StartTime=cloud.clock.now() - 3 * 3600)["Events"]) == 3
    cloud.advance(15 * 24 * 3600)
    dax.create_parameter_group(ParameterGroupName="h")
    assert len(dax.describe_events(Duration=60 * 24 * 30)["Events"]) == 1


def test_tags(dax, cluster):
    arn = cluster["ClusterArn"]
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert dax.tag_resource(ResourceName=arn, Tags=tags)["Tags"] == tags
    assert dax.list_tags(ResourceName=arn)["Tags"] == tags
    assert dax.untag_resource(ResourceName=arn, TagKeys=["a"])["Tags"] == tags[1:]
    assert refused(dax.untag_resource, ResourceName=arn, TagKeys=["a"]) == "TagNotFoundFault"
    assert refused(dax.list_tags, ResourceName="arn:x") == "InvalidARNFault"
    missing = arn.replace("fast", "none")
    assert refused(dax.list_tags, ResourceName=missing) == "ClusterNotFoundFault"
    assert refused(dax.tag_resource, ResourceName=arn, Tags=[{"Key": "aws:x", "Value": "1"}]) == (
        "InvalidParameterValueException"
    )
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    assert refused(dax.tag_resource, ResourceName=arn, Tags=many) == "TagQuotaPerResourceExceeded"
