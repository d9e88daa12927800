"""The resource types over the services that are there: attributes, updates, deletions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from serein.services.cloudformation.resources.registry import TYPES
from serein.services.cloudformation.resources.schema import schemas
from tests.services.cloudformation.conftest import Stacks

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}


def needs(stacks: Stacks, service: str) -> None:
    if service not in stacks.cloud.house.registry.services:
        pytest.skip(f"{service} is not in this house")


def test_every_type_has_a_schema() -> None:
    assert set(TYPES) == set(schemas())


TABLE = """
Resources:
  T:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}%s]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      %s
Outputs: {Arn: {Value: !GetAtt T.Arn}, Name: {Value: !Ref T}%s}
"""


def test_a_table(stacks: Stacks) -> None:
    stack = stacks.create("app", TABLE % ("", "", ""))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    name = outputs(stack)["Name"]
    assert outputs(stack)["Arn"].endswith(f":table/{name}")
    more = TABLE % (
        ", {AttributeName: g, AttributeType: S}",
        """StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: "true"}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
      Tags: [{Key: a, Value: b}]
      GlobalSecondaryIndexes:
        - {IndexName: by-g, KeySchema: [{AttributeName: g, KeyType: HASH}], Projection: {ProjectionType: ALL}}""",
        ", Stream: {Value: !GetAtt T.StreamArn}",
    )
    stack = stacks.update("app", more)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert outputs(stack)["Name"] == name
    assert "/stream/" in outputs(stack)["Stream"]
    dynamodb = stacks.cloud.client("dynamodb")
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by-g"]
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
    stacks.delete("app")
    assert dynamodb.list_tables()["TableNames"] == []


ROLE = """
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
      Description: %s
      ManagedPolicyArns: [!Ref M]
      Policies: [%s]
  M:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "%s", Resource: "*"}]}
  P:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: extra
      Roles: [!Ref R]
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sqs:*", Resource: "*"}]}
  U: {Type: "AWS::IAM::User", Properties: {Groups: [!Ref G]}}
  G: {Type: "AWS::IAM::Group"}
  K: {Type: "AWS::IAM::AccessKey", Properties: {UserName: !Ref U}}
  I: {Type: "AWS::IAM::InstanceProfile", Properties: {Roles: [!Ref R]}}
Outputs:
  Arn: {Value: !GetAtt R.Arn}
  Role: {Value: !Ref R}
  Managed: {Value: !Ref M}
  Secret: {Value: !GetAtt K.SecretAccessKey}
"""
INLINE = "{PolicyName: %s, PolicyDocument: {Version: '2012-10-17', Statement: [{Effect: Allow, Action: '*', Resource: '*'}]}}"


def test_identities(stacks: Stacks) -> None:
    stack = stacks.create("app", ROLE % ("one", INLINE % "a", "s3:*"), Capabilities=CAPABILITIES)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    iam = stacks.cloud.client("iam")
    role = outputs(stack)["Role"]
    assert sorted(iam.list_role_policies(RoleName=role)["PolicyNames"]) == ["a", "extra"]
    assert len(iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]) == 1
    assert len(outputs(stack)["Secret"]) == 40
    secret = outputs(stack)["Secret"]
    stack = stacks.update("app", ROLE % ("two", INLINE % "b", "sqs:*"), Capabilities=CAPABILITIES)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert outputs(stack)["Secret"] == secret
    assert sorted(iam.list_role_policies(RoleName=role)["PolicyNames"]) == ["b", "extra"]
    assert iam.get_role(RoleName=role)["Role"]["Description"] == "two"
    policy = iam.get_policy(PolicyArn=outputs(stack)["Managed"])["Policy"]
    assert policy["DefaultVersionId"] == "v2"
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE", stacks.events(stack["StackId"])
    assert iam.list_users()["Users"] == []
    assert iam.list_roles()["Roles"] == []


def test_logs(stacks: Stacks) -> None:
    template = """
Resources:
  G: {Type: "AWS::Logs::LogGroup", Properties: {RetentionInDays: %s}}
  S: {Type: "AWS::Logs::LogStream", Properties: {LogGroupName: !Ref G}}
Outputs: {Arn: {Value: !GetAtt G.Arn}}
"""
    stack = stacks.create("app", template % 7)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    assert outputs(stack)["Arn"].endswith(":*")
    stacks.update("app", template % '"14"')
    groups = stacks.cloud.client("logs").describe_log_groups()["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [14]
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
    assert stacks.cloud.client("logs").describe_log_groups()["logGroups"] == []


API = """
Resources:
  A: {Type: "AWS::ApiGatewayV2::Api", Properties: {Name: a, ProtocolType: HTTP, CorsConfiguration: {AllowOrigins: ["%s"]}}}
  I:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {ApiId: !Ref A, IntegrationType: HTTP_PROXY, IntegrationUri: "http://example.com", IntegrationMethod: GET, PayloadFormatVersion: "1.0"}
  R: {Type: "AWS::ApiGatewayV2::Route", Properties: {ApiId: !Ref A, RouteKey: "GET /%s", Target: !Sub "integrations/${I}"}}
  S: {Type: "AWS::ApiGatewayV2::Stage", Properties: {ApiId: !Ref A, StageName: $default, AutoDeploy: true, Tags: {a: b}}}
Outputs: {Url: {Value: !GetAtt A.ApiEndpoint}, Api: {Value: !Ref A}}
"""


def test_an_http_api(stacks: Stacks) -> None:
    stack = stacks.create("app", API % ("*", "x"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    api = outputs(stack)["Api"]
    assert api in outputs(stack)["Url"]
    client = stacks.cloud.client("apigatewayv2")
    assert [r["RouteKey"] for r in client.get_routes(ApiId=api)["Items"]] == ["GET /x"]
    stack = stacks.update("app", API % ("https://a.example", "y"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert [r["RouteKey"] for r in client.get_routes(ApiId=api)["Items"]] == ["GET /y"]
    assert client.get_api(ApiId=api)["CorsConfiguration"]["AllowOrigins"] == ["https://a.example"]
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE", stacks.events(stack["StackId"])
    assert client.get_apis()["Items"] == []


def test_an_api_from_a_document(stacks: Stacks) -> None:
    body = {
        "openapi": "3.0.1",
        "info": {"title": {"Ref": "AWS::StackName"}, "version": "1.0"},
        "paths": {
            "/x": {
                "get": {
                    "x-amazon-apigateway-integration": {
                        "type": "http_proxy",
                        "httpMethod": "GET",
                        "uri": "http://example.com",
                        "payloadFormatVersion": "1.0",
                    },
                    "responses": {},
                }
            }
        },
    }
    template = json.dumps(
        {
            "Resources": {"A": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": body}}},
            "Outputs": {"Api": {"Value": {"Ref": "A"}}},
        }
    )
    stack = stacks.create("app", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    client = stacks.cloud.client("apigatewayv2")
    api = outputs(stack)["Api"]
    assert client.get_api(ApiId=api)["Name"] == "app"
    assert [r["RouteKey"] for r in client.get_routes(ApiId=api)["Items"]] == ["GET /x"]
    stack = stacks.update("app", template.replace("/x", "/y"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    assert [r["RouteKey"] for r in client.get_routes(ApiId=api)["Items"]] == ["GET /y"]


def test_metadata_of_cdk_is_accepted(stacks: Stacks) -> None:
    template = """
Resources:
  CDKMetadata: {Type: "AWS::CDK::Metadata", Properties: {Analytics: "v2:deflate64:H4"}}
  H: {Type: "AWS::CloudFormation::WaitConditionHandle"}
"""
    assert stacks.create("app", template)["StackStatus"] == "CREATE_COMPLETE", stacks.events("app")


def test_numbers_and_texts_are_converted(stacks: Stacks) -> None:
    """recordings: template_engine: TestTypes::test_implicit_type_conversion"""
    template = """
Resources:
  Q: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: "2", FifoQueue: "true", ContentBasedDeduplication: false}}
"""
    stack = stacks.create("app", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    url = stacks.physical("app", "Q")
    got = stacks.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    assert got["Attributes"]["DelaySeconds"] == "2"
    assert got["Attributes"]["FifoQueue"] == "true"
    assert url.endswith(".fifo")


BUCKET = """
Resources:
  B:
    Type: AWS::S3::Bucket
    Properties:
      VersioningConfiguration: {Status: Enabled}
      Tags: [{Key: ManagedStackSource, Value: AwsSamCli}]
      CorsConfiguration: {CorsRules: [{AllowedMethods: [PUT], AllowedOrigins: ["*"], MaxAge: %s}]}
  P:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref B
      PolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: serverlessrepo.amazonaws.com}, Action: "s3:GetObject", Resource: !Sub "${B.Arn}/*"}]
Outputs: {SourceBucket: {Value: !Ref B}}
"""


def test_a_bucket(stacks: Stacks) -> None:
    needs(stacks, "s3")
    stack = stacks.create("app", BUCKET % 10)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    s3 = stacks.cloud.client("s3")
    name = outputs(stack)["SourceBucket"]
    assert name == name.lower()
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert stacks.update("app", BUCKET % 20)["StackStatus"] == "UPDATE_COMPLETE", stacks.events(
        "app"
    )
    assert s3.get_bucket_cors(Bucket=name)["CORSRules"][0]["MaxAgeSeconds"] == 20
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"
    assert s3.list_buckets()["Buckets"] == []


def test_a_template_from_a_bucket_and_a_nested_stack(stacks: Stacks) -> None:
    needs(stacks, "s3")
    s3 = stacks.cloud.client("s3")
    s3.create_bucket(Bucket="templates")
    inner = 'Resources: {Q: {Type: "AWS::SQS::Queue", Properties: {QueueName: inner}}}\nOutputs: {U: {Value: !Ref Q}}\n'
    s3.put_object(Bucket="templates", Key="inner.yaml", Body=inner.encode())
    outer = """
Resources:
  N: {Type: "AWS::CloudFormation::Stack", Properties: {TemplateURL: "https://templates.s3.amazonaws.com/inner.yaml"}}
Outputs: {U: {Value: !GetAtt N.Outputs.U}}
"""
    s3.put_object(Bucket="templates", Key="outer.yaml", Body=outer.encode())
    url = "https://s3.us-east-1.amazonaws.com/templates/outer.yaml"
    stacks.client.create_stack(StackName="app", TemplateURL=url)
    stack = stacks.settle("app")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    assert outputs(stack)["U"].endswith("/inner")
    nested = stacks.client.describe_stacks(StackName=stacks.physical("app", "N"))["Stacks"][0]
    assert (nested["ParentId"], nested["RootId"]) == (stack["StackId"], stack["StackId"])
    assert stacks.delete("app")["StackStatus"] == "DELETE_COMPLETE"


FUNCTION = """
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"]
  Q: {Type: "AWS::SQS::Queue"}
  F:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      Role: !GetAtt R.Arn
      Timeout: %s
      Environment: {Variables: {NUMBER: 1}}
      Code: {ZipFile: "def handler(event, context): return %s"}
  V: {Type: "AWS::Lambda::Version", Properties: {FunctionName: !Ref F}}
  A: {Type: "AWS::Lambda::Alias", Properties: {FunctionName: !Ref F, FunctionVersion: !GetAtt V.Version, Name: live}}
  M: {Type: "AWS::Lambda::EventSourceMapping", Properties: {FunctionName: !Ref F, EventSourceArn: !GetAtt Q.Arn, BatchSize: %s}}
  P: {Type: "AWS::Lambda::Permission", Properties: {FunctionName: !Ref F, Action: "lambda:InvokeFunction", Principal: sns.amazonaws.com}}
  U: {Type: "AWS::Lambda::Url", Properties: {TargetFunctionArn: !Ref F, AuthType: NONE}}
Outputs: {Name: {Value: !Ref F}, Url: {Value: !GetAtt U.FunctionUrl}, Version: {Value: !GetAtt V.Version}, Alias: {Value: !Ref A}}
"""


def test_a_function_and_what_hangs_on_it(stacks: Stacks) -> None:
    needs(stacks, "lambda")
    stack = stacks.create("app", FUNCTION % (5, 1, 3), Capabilities=CAPABILITIES)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("app")
    name = outputs(stack)["Name"]
    assert outputs(stack)["Version"] == "1"
    assert outputs(stack)["Alias"].endswith(f":function:{name}:live")
    client = stacks.cloud.client("lambda")
    found = client.get_function_configuration(FunctionName=name)
    assert (found["Timeout"], found["Environment"]["Variables"]) == (5, {"NUMBER": "1"})
    sha = found["CodeSha256"]
    stack = stacks.update("app", FUNCTION % (6, 2, 4), Capabilities=CAPABILITIES)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("app")
    found = client.get_function_configuration(FunctionName=name)
    assert found["Timeout"] == 6
    assert found["CodeSha256"] != sha
    (mapping,) = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    assert mapping["BatchSize"] == 4
    stack = stacks.delete("app")
    assert stack["StackStatus"] == "DELETE_COMPLETE", stacks.failures(stack["StackId"])
    assert client.list_functions()["Functions"] == []
    assert client.list_event_source_mappings()["EventSourceMappings"] == []
