"""The AWS CLI on PartiQL, backups, exports and imports, simulations, reports, sessions, versions and aliases."""

from __future__ import annotations

import base64
import gzip
import json
import zipfile

import pytest

from tests.clients.test_aws_cli import TRUST, AwsCli, aws, pytestmark

__all__ = ["aws", "pytestmark"]
KEYS = (
    *("--billing-mode", "PAY_PER_REQUEST", "--key-schema", "AttributeName=pk,KeyType=HASH"),
    *("--attribute-definitions", "AttributeName=pk,AttributeType=S"),
)


@pytest.fixture
def table(aws: AwsCli) -> str:
    """A table of one item, written by PartiQL."""
    if "wide" not in aws("dynamodb", "list-tables")["TableNames"]:
        aws("dynamodb", "create-table", "--table-name", "wide", *KEYS)
        aws.text("dynamodb", "wait", "table-exists", "--table-name", "wide")
        statement = "INSERT INTO wide VALUE {'pk': 'a', 'n': 1.50, 's': <<'x', 'y'>>}"
        aws("dynamodb", "execute-statement", "--statement", statement)
    return "wide"


def test_partiql(aws: AwsCli, table: str) -> None:
    changed = aws(
        *("dynamodb", "execute-statement", "--parameters", '[{"S": "a"}]', "--statement"),
        "UPDATE wide SET n = n + 0 WHERE pk = ? RETURNING ALL NEW *",
    )
    item = {"pk": {"S": "a"}, "n": {"N": "1.5"}, "s": {"SS": ["x", "y"]}}
    assert changed == {"Items": [item]}
    statements = [
        {"Statement": "SELECT n FROM wide WHERE pk = 'a'"},
        {"Statement": "SELECT n FROM none WHERE pk = 'a'"},
    ]
    told = aws("dynamodb", "batch-execute-statement", "--statements", json.dumps(statements))
    assert told["Responses"][0] == {"TableName": "wide", "Item": {"n": {"N": "1.5"}}}
    assert told["Responses"][1]["Error"]["Code"] == "ResourceNotFound"


@pytest.mark.long
def test_backup_export_import(aws: AwsCli, table: str) -> None:
    made = aws("dynamodb", "create-backup", "--table-name", table, "--backup-name", "first")
    arn = made["BackupDetails"]["BackupArn"]
    restored = ("dynamodb", "restore-table-from-backup", "--target-table-name", "restored")
    aws(*restored, "--backup-arn", arn)
    aws.text("dynamodb", "wait", "table-exists", "--table-name", "restored")
    assert aws("dynamodb", "scan", "--table-name", "restored")["Count"] == 1
    aws.text("s3", "mb", "s3://cli-exports")
    aws(
        *("dynamodb", "update-continuous-backups", "--table-name", table),
        *("--point-in-time-recovery-specification", "PointInTimeRecoveryEnabled=true"),
    )
    source = made["BackupDetails"]["BackupArn"].partition("/backup/")[0]
    told = aws(
        *("dynamodb", "export-table-to-point-in-time", "--table-arn", source),
        *("--s3-bucket", "cli-exports"),
    )
    export = ("--export-arn", told["ExportDescription"]["ExportArn"])
    aws.text("dynamodb", "wait", "export-completed", *export)
    told = aws("dynamodb", "describe-export", *export)["ExportDescription"]
    folder = told["ExportManifest"].rpartition("/")[0] + "/data/"
    aws.text("s3", "cp", "--recursive", f"s3://cli-exports/{folder}", "exported")
    lines = [gzip.decompress(path.read_bytes()) for path in (aws.folder / "exported").iterdir()]
    assert [json.loads(line)["Item"]["pk"] for line in lines if line] == [{"S": "a"}]
    (aws.folder / "parameters.json").write_text(
        json.dumps(
            {
                "TableName": "imported",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            }
        )
    )
    told = aws(
        *("dynamodb", "import-table", "--input-format", "DYNAMODB_JSON"),
        *("--s3-bucket-source", f"S3Bucket=cli-exports,S3KeyPrefix={folder}"),
        *("--input-compression-type", "GZIP"),
        *("--table-creation-parameters", "file://parameters.json"),
    )
    imported = ("--import-arn", told["ImportTableDescription"]["ImportArn"])
    aws.text("dynamodb", "wait", "import-completed", *imported)
    assert aws("dynamodb", "scan", "--table-name", "imported")["Count"] == 1


def test_identity(aws: AwsCli) -> None:
    arn = aws("iam", "create-user", "--user-name", "eve")["User"]["Arn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:GetObjectAcl", "Resource": "*"},
        ],
    }
    named = ("--user-name", "eve", "--policy-name", "read")
    aws("iam", "put-user-policy", *named, "--policy-document", json.dumps(policy))
    told = aws(
        *("iam", "simulate-principal-policy", "--policy-source-arn", arn),
        *("--action-names", "s3:GetObject", "s3:GetObjectAcl", "s3:PutObject"),
    )["EvaluationResults"]
    decisions = [result["EvalDecision"] for result in told]
    assert decisions == ["allowed", "explicitDeny", "implicitDeny"]
    details = aws("iam", "get-account-authorization-details", "--filter", "User")
    assert details["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"] == policy
    while aws("iam", "generate-credential-report")["State"] != "COMPLETE":
        pass
    report = base64.b64decode(aws("iam", "get-credential-report")["Content"]).decode()
    assert [line.partition(",")[0] for line in report.split()] == ["user", "<root_account>", "eve"]


def test_versions_and_aliases(aws: AwsCli) -> None:
    with zipfile.ZipFile(aws.folder / "version.zip", "w") as packed:
        packed.writestr(
            "app.py", "def handler(event, context):\n    return context.function_version\n"
        )
    made = aws(
        *("iam", "create-role", "--role-name", "versions"),
        *("--assume-role-policy-document", json.dumps(TRUST)),
    )
    named = ("--function-name", "versions")
    aws(
        *("lambda", "create-function", *named, "--runtime", "python3.12", "--publish"),
        *("--handler", "app.handler", "--role", made["Role"]["Arn"]),
        *("--zip-file", "fileb://version.zip"),
    )
    aws.text("lambda", "wait", "published-version-active", *named)
    aws("lambda", "update-function-configuration", *named, "--memory-size", "256")
    aws.text("lambda", "wait", "function-updated-v2", *named)
    assert aws("lambda", "publish-version", *named)["Version"] == "2"
    aws("lambda", "create-alias", *named, "--name", "live", "--function-version", "1")
    told = aws("lambda", "invoke", *named, "--qualifier", "live", "version.json")
    assert told == {"StatusCode": 200, "ExecutedVersion": "1"}
    assert json.loads((aws.folder / "version.json").read_text()) == "1"
    aws("lambda", "update-alias", *named, "--name", "live", "--function-version", "2")
    told = aws("lambda", "invoke", *named, "--qualifier", "live", "version.json")
    assert told["ExecutedVersion"] == "2"


def test_assumed_role(aws: AwsCli) -> None:
    trust = json.loads(json.dumps(TRUST))
    trust["Statement"][0]["Principal"] = {"AWS": "arn:aws:iam::000000000000:root"}
    role = aws(
        *("iam", "create-role", "--role-name", "assumed"),
        *("--assume-role-policy-document", json.dumps(trust)),
    )["Role"]["Arn"]
    named = ("--role-arn", role, "--role-session-name", "s1")
    told = aws("sts", "assume-role", *named, "--duration-seconds", "900")
    assert told["AssumedRoleUser"]["Arn"].endswith(":assumed-role/assumed/s1")
    assert told["Credentials"]["AccessKeyId"].startswith("ASIA")
