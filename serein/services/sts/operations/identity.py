"""Who calls, and whose a key is."""

from __future__ import annotations

from typing import Any

from serein.contracts.access_keys import account_of_key
from serein.contracts.authorization_messages import decoded_or_none
from serein.kernel.operations import Read, operation
from serein.services.sts.access import check_caller
from serein.services.sts.model import InvalidAuthorizationMessageException
from serein.services.sts.rules.words import ValidationError

Request = dict[str, Any]
Answer = dict[str, Any]


@operation("GetCallerIdentity", unauthorised=True)
def get_caller_identity(read: Read, request: Request) -> Answer:
    """The caller's account, ARN and unique id. No permission is needed, nor can it be denied.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    caller = check_caller(read.principal)
    return {"UserId": caller.id, "Account": caller.account, "Arn": caller.arn}


@operation("GetAccessKeyInfo")
def get_access_key_info(read: Read, request: Request) -> Answer:
    """The account that an access key belongs to, which is read off the key itself.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html
    """
    key = request["AccessKeyId"]
    account = account_of_key(key) if key[:4] in ("AKIA", "ASIA") else None
    if account is None:
        raise ValidationError("Invalid type for parameter AccessKeyId")
    return {"Account": account}


@operation("DecodeAuthorizationMessage")
def decode_authorization_message(read: Read, request: Request) -> Answer:
    """What an encoded refusal says.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
    """
    found = decoded_or_none(read.snapshot, request["EncodedMessage"])
    if found is None:
        raise InvalidAuthorizationMessageException("Invalid authorization message.")
    return {"DecodedMessage": found}
