"""Errors of the ApiGatewayV2 model (2018-11-29)."""

from __future__ import annotations

from serein.base.errors import AwsError


class BadRequestException(AwsError):
    code = "BadRequestException"
    status = 400


class ConflictException(AwsError):
    code = "ConflictException"
    status = 409


class NotFoundException(AwsError):
    code = "NotFoundException"
    status = 404


class TooManyRequestsException(AwsError):
    code = "TooManyRequestsException"
    status = 429
