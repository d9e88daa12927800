"""https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html"""

from __future__ import annotations

import csv
import io


def test_report(cloud, iam, user, refused) -> None:
    assert refused(iam.get_credential_report)[0] == "ReportNotPresent"
    iam.create_access_key(UserName=user)
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(report["Content"].decode())))
    assert [row["user"] for row in rows] == ["<root_account>", user]
    assert rows[1]["arn"] == "arn:aws:iam::000000000000:user/bob"
    assert (rows[1]["access_key_1_active"], rows[1]["access_key_2_active"]) == ("true", "false")
    assert rows[1]["password_enabled"] == "false"
    assert len(rows[0]) == 22
    cloud.advance(4 * 3600)
    assert refused(cloud.client("iam").get_credential_report)[0] == "ReportExpired"
