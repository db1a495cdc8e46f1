"""A registry's table in DynamoDB.

One partition holds all: the partition key `pk` is always `registry`, the sort key `sk` the
item's key, `item` its text. Nothing is locked: each writing puts a random `stamp` on what it
writes, and is one transaction on the condition that every item that was read, or was not there,
still has the stamp it was read with. If one has not, the body is called again on what is there
now. The stamp also tells, when AWS's answer is lost, whether the writing was made. A refusal
needs no transaction: it names one item, which stood as it says when it was read.

A deleted item stays as a stamp without a text, because a stamp that is gone could tell nothing.
The time to live of DynamoDB plays no part: a lease is judged by the expiry within it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from common.aws_errors import as_error
from common.backoff import attempts
from common.errors import RegistryError
from common.registry.table import META, Items, T, check_meta, newer_meta

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PARTITION = "registry"
PATIENCE_SECONDS = 30.0
"""How long a body is called again while others change what it read."""

SERVER_FAULT = 500  # from here on it is not what was asked that is wrong
# Why a transaction was cancelled, where another attempt may succeed.
_PASSING = {
    "ConditionalCheckFailed",
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    "TransactionConflict",
}
_RULE = "the registry must be a DynamoDB table that can be read and written"


class DynamoTable:
    """Keyed items in the DynamoDB table `name`, which exists with the string keys pk and sk.

    Whatever goes wrong with AWS (no such table, no right, throttled, unreachable) is a
    `RegistryError`.
    """

    def __init__(
        self, client: DynamoDBClient, name: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._client, self._name = client, name
        self._patience_seconds = patience_seconds

    def change(self, body: Callable[[Items], T]) -> T:
        """What `body` returns, once what it wrote is kept; if it raises, nothing is."""
        with as_error(RegistryError, _RULE, "REGISTRY_URL"):
            for _ in attempts(self._patience_seconds):
                rows = _Rows(self._client, self._name, self._patience_seconds)
                if (meta := newer_meta(rows.get(META))) is not None:
                    rows.put(META, meta)
                result = body(Items(rows))
                if rows.kept():
                    return result
        raise RegistryError(
            f"a change of the registry must get its turn within {self._patience_seconds:g} s, got "
            f"none in {self._name}: others change it all the time, or it is throttled; run again"
        )

    def read(self, body: Callable[[Items], T]) -> T:
        """What `body` returns of the items, each as it stood after the last finished change."""
        with as_error(RegistryError, _RULE, "REGISTRY_URL"):
            rows = _Rows(self._client, self._name, self._patience_seconds)
            if (meta := rows.get(META)) is not None:
                check_meta(meta)
            return body(Items(rows))


class _Rows:
    """The texts of one transaction: what it read, with its stamps, and what it is to write."""

    def __init__(self, client: DynamoDBClient, table: str, patience_seconds: float) -> None:
        self._client, self._table = client, table
        self._patience_seconds = patience_seconds
        self._stamp = secrets.token_hex(16)
        self._seen: dict[str, tuple[str | None, str | None]] = {}
        self.writes: dict[str, str | None] = {}
        """The new text of each key; None where it is deleted."""

    def get(self, key: str) -> str | None:
        return self.writes[key] if key in self.writes else self._read(key)[0]

    def all(self, prefix: str) -> list[str]:
        assert not self.writes, "a range has no stamp: it is for reading only"
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :partition AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":partition": {"S": PARTITION}, ":prefix": {"S": prefix}},
        )
        texts = (_text(item) for page in pages for item in page["Items"])
        return [text for text in texts if text is not None]

    def put(self, key: str, text: str) -> None:
        self._read(key)  # for its stamp: also what is replaced unseen must not change meanwhile
        self.writes[key] = text

    def delete(self, key: str) -> bool:
        there = self.get(key) is not None
        self.writes[key] = None
        return there

    def kept(self) -> bool:
        """Whether all was written, on the condition that all that was read still holds."""
        if not self.writes:
            return True
        try:
            self._client.transact_write_items(
                TransactItems=[self._action(key) for key in self._seen]
            )
        except (ClientError, BotoCoreError) as error:
            if self._landed():
                return True
            if _is_passing(error):
                return False
            raise
        return True

    def _read(self, key: str) -> tuple[str | None, str | None]:
        """The text and the stamp of a key, as they stood when it was first asked for."""
        if key not in self._seen:
            self._seen[key] = self._fetch(key)
        return self._seen[key]

    def _fetch(self, key: str) -> tuple[str | None, str | None]:
        answer = self._client.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        item = answer.get("Item")
        return (None, None) if item is None else (_text(item), item["stamp"]["S"])

    def _landed(self) -> bool:
        """Whether the writing was made though its answer was lost, or is of a repetition.

        Asked for a while: without this answer a change that was made would be told as failed.
        """
        for _ in attempts(self._patience_seconds):
            try:
                return any(self._fetch(key)[1] == self._stamp for key in self.writes)
            except BotoCoreError as error:
                unknown: Exception = error
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < SERVER_FAULT:
                    raise
                unknown = error
        raise unknown

    def _action(self, key: str) -> Any:
        """The part of the transaction for one key: a condition and, for most, what is put."""
        stamp = self._seen[key][1]
        place: dict[str, Any] = {"TableName": self._table}
        if stamp is None:
            place["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            place["ConditionExpression"] = "stamp = :stamp"
            place["ExpressionAttributeValues"] = {":stamp": {"S": stamp}}
        if key not in self.writes:
            return {"ConditionCheck": place | {"Key": _key(key)}}
        text = self.writes[key]
        item = _key(key) | {"stamp": {"S": self._stamp}}
        return {"Put": place | {"Item": item | ({} if text is None else {"item": {"S": text}})}}


def _key(key: str) -> dict[str, Any]:
    return {"pk": {"S": PARTITION}, "sk": {"S": key}}


def _text(item: Any) -> str | None:
    """The item's text; None for one that was deleted."""
    if "stamp" not in item:
        raise RegistryError(
            f"an item of the registry must bear a stamp, got none on {item['sk']['S']}: something "
            "else wrote it; restore the table from a backup"
        )
    return item["item"]["S"] if "item" in item else None


def _is_passing(error: ClientError | BotoCoreError) -> bool:
    """Whether the transaction was cancelled for reasons that pass, and only for such."""
    reasons = (
        error.response.get("CancellationReasons", []) if isinstance(error, ClientError) else []
    )
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    return bool(codes) and codes <= _PASSING
