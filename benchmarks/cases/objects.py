"""S3: objects of 1 KiB and 1 MiB, and a listing."""

from __future__ import annotations

import os
import uuid

from ends import Case, End


def objects(end: End) -> Case:
    """Gets and puts, and a listing of 300 keys."""
    s3, bucket = end.client("s3"), "bench-" + uuid.uuid4().hex[:8]
    s3.create_bucket(Bucket=bucket)
    made: Case = {}
    for label, size, count in (("1k", 1024, 300), ("1m", 1 << 20, 8)):
        body = os.urandom(size).hex()[:size].encode()
        paths = [f"k{label}/{i:04d}" for i in range(count)]
        for path in paths:
            s3.put_object(Bucket=bucket, Key=path, Body=body)
        made["s3_get_" + label] = [end.signed("s3", "GET", f"/{bucket}/{path}") for path in paths]
        made["s3_put_" + label] = [
            end.signed("s3", "PUT", f"/{bucket}/{path}", body=body) for path in paths
        ]
    made["s3_list300"] = [end.signed("s3", "GET", f"/{bucket}?list-type=2&prefix=k1k%2F")]
    return made
