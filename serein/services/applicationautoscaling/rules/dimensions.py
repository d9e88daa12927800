"""Which capacities there are: namespaces, resources and dimensions that go together, and what they are called.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
"""

from __future__ import annotations

import msgspec

from serein.services.applicationautoscaling.model import ValidationException


class Dimension(msgspec.Struct, frozen=True):
    """The service-linked role, the beginning of resource ids, and what the capacity is called in sentences."""

    role: str
    resource: str
    noun: str


_TABLE = "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
_CASSANDRA = "AWSServiceRoleForApplicationAutoScaling_CassandraTable"
_COMPREHEND = "AWSServiceRoleForApplicationAutoScaling_ComprehendEndpoint"
_SAGEMAKER = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
_ELASTICACHE = "AWSServiceRoleForApplicationAutoScaling_ElastiCacheRG"
_ROLE = "AWSServiceRoleForApplicationAutoScaling_"

DIMENSIONS = {
    "dynamodb:table:ReadCapacityUnits": Dimension(_TABLE, "table/", "read capacity units"),
    "dynamodb:table:WriteCapacityUnits": Dimension(_TABLE, "table/", "write capacity units"),
    "dynamodb:index:ReadCapacityUnits": Dimension(_TABLE, "table/", "read capacity units"),
    "dynamodb:index:WriteCapacityUnits": Dimension(_TABLE, "table/", "write capacity units"),
    "lambda:function:ProvisionedConcurrency": Dimension(
        _ROLE + "LambdaConcurrency", "function:", "provisioned concurrency"
    ),
    "ecs:service:DesiredCount": Dimension(_ROLE + "ECSService", "service/", "desired count"),
    "ec2:spot-fleet-request:TargetCapacity": Dimension(
        _ROLE + "EC2SpotFleetRequest", "spot-fleet-request/", "target capacity"
    ),
    "elasticmapreduce:instancegroup:InstanceCount": Dimension(
        _ROLE + "EMRCluster", "instancegroup/", "instance count"
    ),
    "appstream:fleet:DesiredCapacity": Dimension(
        _ROLE + "AppStreamFleet", "fleet/", "desired capacity"
    ),
    "rds:cluster:ReadReplicaCount": Dimension(_ROLE + "RDSCluster", "cluster:", "replica count"),
    "sagemaker:variant:DesiredInstanceCount": Dimension(
        _SAGEMAKER, "endpoint/", "desired instance count"
    ),
    "sagemaker:variant:DesiredProvisionedConcurrency": Dimension(
        _SAGEMAKER, "endpoint/", "desired provisioned concurrency"
    ),
    "sagemaker:inference-component:DesiredCopyCount": Dimension(
        _SAGEMAKER, "inference-component/", "desired copy count"
    ),
    "custom-resource:ResourceType:Property": Dimension(_ROLE + "CustomResource", "", "capacity"),
    "comprehend:document-classifier-endpoint:DesiredInferenceUnits": Dimension(
        _COMPREHEND, "arn:", "desired inference units"
    ),
    "comprehend:entity-recognizer-endpoint:DesiredInferenceUnits": Dimension(
        _COMPREHEND, "arn:", "desired inference units"
    ),
    "cassandra:table:ReadCapacityUnits": Dimension(_CASSANDRA, "keyspace/", "read capacity units"),
    "cassandra:table:WriteCapacityUnits": Dimension(
        _CASSANDRA, "keyspace/", "write capacity units"
    ),
    "kafka:broker-storage:VolumeSize": Dimension(_ROLE + "KafkaCluster", "arn:", "volume size"),
    "elasticache:cache-cluster:Nodes": Dimension(_ELASTICACHE, "cache-cluster/", "nodes"),
    "elasticache:replication-group:NodeGroups": Dimension(
        _ELASTICACHE, "replication-group/", "node groups"
    ),
    "elasticache:replication-group:Replicas": Dimension(
        _ELASTICACHE, "replication-group/", "replicas"
    ),
    "neptune:cluster:ReadReplicaCount": Dimension(
        _ROLE + "NeptuneCluster", "cluster:", "replica count"
    ),
    "workspaces:workspacespool:DesiredUserSessions": Dimension(
        _ROLE + "WorkSpacesPool", "workspacespool/", "desired user sessions"
    ),
}


def find_dimension(namespace: str, resource: str, dimension: str) -> Dimension:
    """What a dimension is. Raises ValidationException where the three do not go together."""
    found = DIMENSIONS.get(dimension)
    wrong = found is None or dimension.partition(":")[0] != namespace
    if found is not None and namespace == "dynamodb":
        is_index = dimension.split(":")[1] == "index"
        wrong = wrong or is_index != ("/index/" in resource)
    if found is None or wrong or not resource.startswith(found.resource):
        raise ValidationException(
            "Unsupported service namespace, resource type or scalable dimension"
        )
    return found


def role_arn(account: str, namespace: str, dimension: Dimension) -> str:
    """The service-linked role that acts for a namespace."""
    host = f"{namespace}.application-autoscaling.amazonaws.com"
    return f"arn:aws:iam::{account}:role/aws-service-role/{host}/{dimension.role}"
