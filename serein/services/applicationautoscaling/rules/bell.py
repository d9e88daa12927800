"""The doorbell of the worker that scales."""

from __future__ import annotations

SCALING_BELL = "serein:application-autoscaling"
