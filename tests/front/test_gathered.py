"""The metrics of several processes on one page."""

from __future__ import annotations

from serein.front.gathered import merged_metrics

ONE = """# HELP calls_seconds Time.
# TYPE calls_seconds histogram
calls_seconds_bucket{service="s3",le="+Inf"} 3
calls_seconds_count{service="s3"} 3
# HELP blobs Blobs.
# TYPE blobs gauge
blobs 7
"""
TWO = """# HELP calls_seconds Time.
# TYPE calls_seconds histogram
calls_seconds_bucket{service="sqs",le="+Inf"} 1
calls_seconds_count{service="sqs"} 1
"""


def test_samples_stand_together_and_bear_their_process() -> None:
    """https://prometheus.io/docs/instrumenting/exposition_formats/#grouping-and-sorting"""
    assert (
        merged_metrics({1: TWO, 0: ONE})
        == """# HELP calls_seconds Time.
# TYPE calls_seconds histogram
calls_seconds_bucket{worker="1",service="s3",le="+Inf"} 3
calls_seconds_count{worker="1",service="s3"} 3
calls_seconds_bucket{worker="2",service="sqs",le="+Inf"} 1
calls_seconds_count{worker="2",service="sqs"} 1
# HELP blobs Blobs.
# TYPE blobs gauge
blobs{worker="1"} 7
"""
    )


def test_one_that_did_not_answer_is_left_out() -> None:
    assert merged_metrics({}) == ""
    assert merged_metrics({0: "", 1: "a 1\n"}) == 'a{worker="2"} 1\n'
