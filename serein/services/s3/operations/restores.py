"""Restoring archived objects: at once here, for as many days as asked.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from serein.kernel.operations import Tx, operation
from serein.services.s3.access import find_bucket, find_object, object_of
from serein.services.s3.operations.objects import ARCHIVED
from serein.services.s3.rules.errors import refusal
from serein.services.s3.rules.lifecycle import days_after
from serein.services.s3.versions import notify, replace_version

Request = Mapping[str, Any]
_TIERS = ("Standard", "Bulk", "Expedited")


@operation(
    "RestoreObject", on=object_of, ignores=("RequestPayer", "ChecksumAlgorithm"), unvalidated=True
)
def restore_object(tx: Tx, request: Request) -> dict[str, Any]:
    """Make an archived object readable. https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html"""
    bucket = find_bucket(tx, request)
    found = find_object(tx, request)
    asked: Any = request.get("RestoreRequest") or {}
    if asked.get("Type") == "SELECT" or asked.get("SelectParameters"):
        raise refusal(
            "NotImplemented", "Serein has not implemented RestoreObject of the type SELECT.", 501
        )
    days = asked.get("Days")
    tier = (asked.get("GlacierJobParameters") or {}).get("Tier") or asked.get("Tier") or "Standard"
    if not days or days < 1 or tier not in _TIERS:
        raise refusal("MalformedXML")
    if found.storage_class not in ARCHIVED:
        raise refusal(
            "InvalidObjectState", "Restore is not allowed for the object's current storage class"
        )
    again = found.restored_until > tx.now
    restored = msgspec.structs.replace(found, restored_until=days_after(tx.now, days))
    replace_version(tx, restored)
    if not again:
        notify(tx, bucket, restored, "ObjectRestore:Post")
        notify(tx, bucket, restored, "ObjectRestore:Completed")
    return {}
