"""The credential report: every user's keys and password in one table.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from msgspec.structs import replace

from serein.contracts.mfa import MFA_DEVICES
from serein.kernel.operations import Read, Tx, operation
from serein.services.iam.access import Answer, Request
from serein.services.iam.model import (
    CredentialReportExpiredException,
    CredentialReportNotPresentException,
)
from serein.services.iam.records import (
    KEY_USES,
    KEYS_OF,
    LOGIN_PROFILES,
    ROOT,
    SETTINGS,
    SIGNING_CERTIFICATES,
    USERS,
    AccountSettings,
)

REPORT_S_MAX = 4 * 3600
"""A report is made afresh when the last one is older."""
_ABSENT = "N/A"
_KEY_FIELDS = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
_HEADER = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(f"access_key_1_{field}" for field in _KEY_FIELDS),
    *(f"access_key_2_{field}" for field in _KEY_FIELDS),
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
)


def _settings(read: Read) -> AccountSettings:
    return read.get(SETTINGS, read.account) or AccountSettings(account=read.account)


def _is_fresh(read: Read, settings: AccountSettings) -> bool:
    return settings.report_at is not None and read.now - settings.report_at < REPORT_S_MAX


@operation("GenerateCredentialReport")
def generate_credential_report(tx: Tx, request: Request) -> Answer:
    """Have a report made, unless there is one that is younger than four hours."""
    settings = _settings(tx)
    if _is_fresh(tx, settings):
        return {"State": "COMPLETE"}
    tx.put(SETTINGS, replace(settings, report_at=float(int(tx.now)), report=_report(tx)))
    told = "No report exists. Starting a new report generation task"
    return {"State": "STARTED", "Description": told}


@operation("GetCredentialReport")
def get_credential_report(read: Read, request: Request) -> Answer:
    """The last report."""
    settings = _settings(read)
    if settings.report_at is None:
        raise CredentialReportNotPresentException(
            "Report not present. Please generate a report first."
        )
    if not _is_fresh(read, settings):
        raise CredentialReportExpiredException("Report has expired. Please generate a new report.")
    return {
        "Content": settings.report.encode(),
        "ReportFormat": "text/csv",
        "GeneratedTime": settings.report_at,
    }


def _report(read: Read) -> str:
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(_HEADER)
    no_certificates = ("false", _ABSENT, "false", _ABSENT)
    root_arn = f"arn:aws:iam::{read.account}:root"
    password = ("not_supported", _ABSENT, "not_supported", "not_supported", "false")
    table.writerow(
        ("<root_account>", root_arn, _ABSENT, *password, *_keys(read, ROOT), *no_certificates)
    )
    with_devices = {device.user.lower() for device in read.scan(MFA_DEVICES, (read.account,))}
    for user in read.scan(USERS, (read.account,)):
        mfa = "true" if user.name.lower() in with_devices else "false"
        keys, certificates = _keys(read, user.name), _certificates(read, user.name)
        about = (user.name, user.arn, _time(user.created_at), *_password(read, user.name), mfa)
        table.writerow((*about, *keys, *certificates))
    return lines.getvalue()


def _password(read: Read, user: str) -> tuple[str, str, str, str]:
    """Enabled, last used, last changed, next rotation."""
    profile = read.get(LOGIN_PROFILES, read.account, user.lower())
    if profile is None:
        return "false", _ABSENT, _ABSENT, _ABSENT
    changed_at = profile.changed_at or profile.created_at
    policy = _settings(read).password_policy or {}
    age_days = int(policy.get("MaxPasswordAge", 0))
    rotation = _time(changed_at + age_days * 86_400) if age_days else _ABSENT
    # Nobody signs in with a password here.
    return "true", "no_information", _time(changed_at), rotation


def _certificates(read: Read, user: str) -> list[str]:
    found: list[str] = []
    for each in read.scan(SIGNING_CERTIFICATES, (read.account, user.lower()), limit=2):
        found += ["true" if each.active else "false", _time(each.uploaded_at)]
    while len(found) < 4:
        found += ["false", _ABSENT]
    return found


def _keys(read: Read, user: str) -> list[str]:
    found: list[str] = []
    for key in read.scan(KEYS_OF, (read.account, user.lower()), limit=2):
        use = read.get(KEY_USES, key.id)
        used = (_ABSENT,) * 3 if use is None else (_time(use.at), use.region, use.service)
        found += ["true" if key.active else "false", _time(key.created_at), *used]
    while len(found) < 2 * len(_KEY_FIELDS):
        found += ["false", _ABSENT, _ABSENT, _ABSENT, _ABSENT]
    return found


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
