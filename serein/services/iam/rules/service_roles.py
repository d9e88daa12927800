"""The names of service-linked roles.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
"""

from __future__ import annotations

from types import MappingProxyType

_NAMES = MappingProxyType(
    {
        "apigateway.amazonaws.com": "APIGateway",
        "ops.apigateway.amazonaws.com": "APIGateway",
        "autoscaling.amazonaws.com": "AutoScaling",
        "batch.amazonaws.com": "Batch",
        "cloudtrail.amazonaws.com": "CloudTrail",
        "ecs.amazonaws.com": "ECS",
        "eks.amazonaws.com": "AmazonEKS",
        "elasticache.amazonaws.com": "ElastiCache",
        "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
        "rds.amazonaws.com": "RDS",
        "lambda.amazonaws.com": "LambdaReplicator",
        "replicator.lambda.amazonaws.com": "LambdaReplicator",
        "logger.cloudfront.amazonaws.com": "CloudFrontLogger",
        "dynamodb.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_DynamoDBTable",
        "replication.dynamodb.amazonaws.com": "DynamoDBReplication",
        "events.amazonaws.com": "CloudWatchEvents",
        "apidestinations.events.amazonaws.com": "AmazonEventBridgeApiDestinations",
        "sso.amazonaws.com": "SSO",
        "ssm.amazonaws.com": "AmazonSSM",
        "wafv2.amazonaws.com": "WAFV2Logging",
        "opensearchservice.amazonaws.com": "AmazonOpenSearchService",
        "es.amazonaws.com": "AmazonElasticsearchService",
        "email.cognito-idp.amazonaws.com": "AmazonCognitoIdpEmailService",
        "xray.amazonaws.com": "XRay",
    }
)
SUFFIXED = frozenset(
    {
        "autoscaling.amazonaws.com",
        "connect.amazonaws.com",
        "lexv2.amazonaws.com",
        "custom-resource.application-autoscaling.amazonaws.com",
    }
)
"""The services whose roles may have a suffix."""


def role_name(service: str) -> str:
    """`AWSServiceRoleFor…`; for services not listed made from the service's name."""
    known = _NAMES.get(service)
    if known is None:
        known = service.partition(".amazonaws.com")[0].replace("-", " ").replace(".", " ").title()
    return "AWSServiceRoleFor" + known.replace(" ", "")
