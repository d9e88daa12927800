"""What cannot be made is listed as nothing, and making it is refused with its name."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def test_listings_are_empty(dynamodb, simple):
    assert dynamodb.list_backups()["BackupSummaries"] == []
    assert dynamodb.list_global_tables()["GlobalTables"] == []
    assert dynamodb.list_exports()["ExportSummaries"] == []
    assert dynamodb.list_imports()["ImportSummaryList"] == []
    assert dynamodb.list_contributor_insights()["ContributorInsightsSummaries"] == []


def test_making_is_refused(dynamodb, simple):
    with pytest.raises(ClientError, match="dynamodb:CreateGlobalTable"):
        dynamodb.create_global_table(
            GlobalTableName=simple, ReplicationGroup=[{"RegionName": "us-east-1"}]
        )
