"""Application Auto Scaling."""

from __future__ import annotations

from serein.kernel.conditions import members_as_keys
from serein.kernel.services import Service, Worker
from serein.services.applicationautoscaling.operations import policies, schedules, targets
from serein.services.applicationautoscaling.workers import scaling

SERVICE = Service(
    name="application-autoscaling",
    operations=(targets, policies, schedules),
    keys_of=members_as_keys(
        {
            "application-autoscaling:service-namespace": "ServiceNamespace",
            "application-autoscaling:scalable-dimension": "ScalableDimension",
        }
    ),
    workers=(Worker(name="application-autoscaling.scale", run=scaling.scale),),
)
