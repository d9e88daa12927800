"""Console passwords: what the account demands of them, and how they are kept.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence

from serein.base.ids import Randomness
from serein.services.iam.model import PasswordPolicyViolationException

PasswordPolicy = Mapping[str, int | bool]
REUSE_MAX = 24
_SALT_BYTES = 16
_SYMBOLS = frozenset("!@#$%^&*()_+-=[]{}|'")
_DEFAULT_CHARACTERS_MIN = 8
_DEFAULT_KINDS_MIN = 3


def _is_symbol(letter: str) -> bool:
    return letter in _SYMBOLS


_KINDS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("RequireUppercaseCharacters", "uppercase letter", str.isupper),
    ("RequireLowercaseCharacters", "lowercase letter", str.islower),
    ("RequireNumbers", "number", str.isdigit),
    ("RequireSymbols", "symbol", _is_symbol),
)


def check_password(password: str, policy: PasswordPolicy | None, user: str) -> None:
    """Check a new password against the account's policy, or AWS's default one. Raises PasswordPolicyViolation."""
    least = int(policy["MinimumPasswordLength"]) if policy else _DEFAULT_CHARACTERS_MIN
    if len(password) < least:
        raise PasswordPolicyViolationException(
            f"Password should have a minimum length of {least} or greater"
        )
    missing = [
        (member, told) for member, told, test in _KINDS if not any(test(each) for each in password)
    ]
    if policy is not None:
        for member, told in missing:
            if policy.get(member):
                raise PasswordPolicyViolationException(f"Password should have at least one {told}")
        return
    if len(_KINDS) - len(missing) < _DEFAULT_KINDS_MIN:
        raise PasswordPolicyViolationException(
            "Password must contain at least three of the following character types: uppercase letters, lowercase "
            "letters, numbers, and symbols"
        )
    if password.lower() == user.lower():
        raise PasswordPolicyViolationException("Password must not be identical to the user name")


def check_reuse(password: str, kept: Sequence[bytes], policy: PasswordPolicy | None) -> None:
    """Raises PasswordPolicyViolation where the password is among the last ones that may not come again."""
    last = int(policy.get("PasswordReusePrevention", 0)) if policy else 0
    if any(is_password(password, each) for each in kept[:last]):
        raise PasswordPolicyViolationException("Password has been used previously")


def hashed(password: str, randomness: Randomness) -> bytes:
    """Salt and hash of a password, as it is kept."""
    salt = randomness.token(_SALT_BYTES)
    return salt + _hash(password, salt)


def is_password(password: str, kept: bytes) -> bool:
    """Whether `kept` was made of this password."""
    if len(kept) <= _SALT_BYTES:
        return False
    return hmac.compare_digest(_hash(password, kept[:_SALT_BYTES]), kept[_SALT_BYTES:])


def _hash(password: str, salt: bytes) -> bytes:
    # Two milliseconds, since it runs inside a transaction.
    return hashlib.scrypt(password.encode(), salt=salt, n=2**10, r=8, p=1, dklen=32)
