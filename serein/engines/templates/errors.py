"""What is wrong with a template, in CloudFormation's words."""

from __future__ import annotations

from serein.base.errors import AwsError


class TemplateError(AwsError):
    """The template, or a value given for it, is not valid. `path` says where (`/Resources/Bucket/Properties/Name`)."""

    code = "ValidationError"
    status = 400

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class MissingAttribute(TemplateError):
    """GetAtt asks a deployed resource for an attribute that it does not have."""

    def __init__(self, resource: str, attribute: str) -> None:
        super().__init__(
            f"Template error: resource {resource} does not support attribute type {attribute} in Fn::GetAtt"
        )
        self.resource = resource
        self.attribute = attribute
