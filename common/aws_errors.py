"""What AWS refused, in this system's words: the code, the operation, and what to do about it.

AWS's own sentences are repeated only where the code does not say as much, and without account
numbers: ECS has one code for a subnet that is gone and for a request that came too soon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import RetrainError

# What to do, by the code of an answer or by the name of what befell the request. `{setting}` is
# the address that leads there.
_REMEDIES = {
    "give this process a role, or valid credentials (`aws sts get-caller-identity` tells)": (
        "CredentialRetrievalError ExpiredToken ExpiredTokenException InvalidAccessKeyId "
        "InvalidClientTokenId MissingAuthenticationToken NoCredentialsError "
        "PartialCredentialsError ProfileNotFound SSOTokenLoadError SignatureDoesNotMatch "
        "TokenRetrievalError UnauthorizedSSOTokenError UnrecognizedClientException"
    ),
    "set AWS_REGION to the region that {setting} lies in": (
        "AuthorizationHeaderMalformed IllegalLocationConstraintException InvalidRegionError "
        "NoRegionError PermanentRedirect 301"
    ),
    "allow this process's role the operation, on what {setting} names and on its key": (
        "AccessDenied AccessDeniedException AllAccessDisabled AuthorizationError "
        "DecryptionFailure KMSAccessDeniedException 403"
    ),
    "make what {setting} names, or correct {setting} or AWS_REGION": (
        "NoSuchBucket ResourceNotFoundException InvalidBucketName NotFound 404 "
        "ClusterNotFoundException ServiceNotActiveException ServiceNotFoundException"
    ),
    "correct {setting}, or deploy the stack again: what it names is gone or unfit": (
        "BlockedException ClientException InvalidParameter InvalidParameterException "
        "PlatformTaskDefinitionIncompatibilityException PlatformUnknownException "
        "UnsupportedFeatureException"
    ),
    "make the table anew with the string keys pk and sk, or correct {setting}": (
        "ValidationException"
    ),
    "AWS answered too often that it is too busy: wait, then run again": (
        "LimitExceededException ProvisionedThroughputExceededException RequestLimitExceeded "
        "SlowDown Throttling ThrottlingException TooManyRequestsException 429 503"
    ),
    "see that what {setting} names is not being deleted": "InvalidRequestException",
    "set the clock of this machine": "RequestExpired RequestTimeTooSkewed",
    "it was altered or cut short: restore it from an older version of the object": (
        "BadDigest FlexibleChecksumError"
    ),
}
_BY_CODE = {code: remedy for remedy, codes in _REMEDIES.items() for code in codes.split()}
_ACCOUNT = re.compile(r"\b\d{12}\b")
LONGEST = 300
"""Characters of AWS's own words that are repeated."""
_OUTAGE = "see that this network reaches AWS and that AWS is up, then run again"


def code(error: ClientError | BotoCoreError) -> str:
    """AWS's code for what it refused, or the name of what befell the request."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code") or status(error))
    return type(error).__name__


def status(error: ClientError | BotoCoreError) -> int | None:
    """The HTTP status of AWS's answer; None if there was no answer."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None


def sentence(error: ClientError | BotoCoreError) -> str:
    """AWS's own words, without account numbers; "" if it had none."""
    said = (
        error.response.get("Error", {}).get("Message", "") if isinstance(error, ClientError) else ""
    )
    return _ACCOUNT.sub("ACCOUNT", " ".join(str(said).split()))[:LONGEST]


def told(error: ClientError | BotoCoreError, setting: str, *, words: bool = False) -> str:
    """The value and the remedy of an error's text, as in `AccessDenied to PutObject: allow …`.

    words: with AWS's own, as in `InvalidParameterException to RunTask ("…"): correct …`.
    """
    found = code(error)
    known = _BY_CODE.get(found) or _BY_CODE.get(str(status(error))) or _OUTAGE
    asked = f" to {error.operation_name}" if isinstance(error, ClientError) else ""
    said = f' ("{text}")' if words and (text := sentence(error)) else ""
    return f"{found}{asked}{said}: {known.format(setting=setting)}"


@contextmanager
def as_error(
    kind: type[RetrainError], rule: str, setting: str, *, words: bool = False
) -> Iterator[None]:
    """What AWS refuses in here becomes a `kind` that begins with the rule."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise kind(f"{rule}, got {told(error, setting, words=words)}") from error
