"""The table of votes of each kind, and what people do with a service over it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from common.database import Database, open_votes
from common.settings import load
from local.mariadb import Server
from local.table import create_mysql, select
from tests.api.service import PERSON, Answer, Place, Service, service

WRITER, PASSWORD = "api", "pass word/with %percent"
_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Votes:
    """A votes' database of one kind, and the settings that lead there."""

    settings: Mapping[str, str]
    connect: Any

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of all rows."""
        with closing(self.connect()) as connection:
            return list(select(connection, columns, range(1, 50)))

    def execute(self, statement: str) -> None:
        with closing(self.connect()) as connection:
            connection.cursor().execute(statement)
            connection.commit()

    def open(self) -> Database:
        return open_votes(load(yaml_path=None, env_file=None, environ=self.settings, flags={}))


class Made(Protocol):
    def __call__(self, styles: int = 3, whole_seconds: bool = True) -> Votes: ...


def in_file(folder: Path, styles: int, _whole_seconds: bool) -> Votes:
    place = Place(folder)
    place.votes.unlink(missing_ok=True)
    place.make_table(styles)
    settings = {"DATABASE_URL": place.addresses["DATABASE_URL"]}
    return Votes(settings=settings, connect=lambda: sqlite3.connect(place.votes))


def on_server(server: Server, styles: int, whole_seconds: bool) -> Votes:
    database = f"api_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
    with server.admin(database) as connection:
        create_mysql(connection, styles=styles, whole_seconds=whole_seconds)
    server.execute(f"CREATE USER IF NOT EXISTS {WRITER}@'%%' IDENTIFIED BY %s", [PASSWORD])
    server.execute(f"GRANT SELECT, INSERT, UPDATE ON {database}.analysis_history TO {WRITER}@'%'")
    settings = {
        "DATABASE_URL": server.url(database, WRITER),
        "DB_PASSWORD": PASSWORD,
        "DB_CA": str(server.ca),
    }
    return Votes(settings=settings, connect=lambda: server.admin(database))


@contextmanager
def serving(place: Place, votes: Votes) -> Iterator[Service]:
    with service(place, votes.settings) as found:
        yield found


def recommend(found: Service, **changes: object) -> Any:
    answer = found.client.post("/recommend", PERSON | {"k": 4} | changes)
    assert answer.status == 200, answer
    return answer.json


def vote(found: Service, given: Any, position: int, feedback: str) -> Answer:
    body = {"recommendation_id": given, "position": position, "feedback": feedback}
    return found.client.post("/feedback", body)


def counted(found: Service, line: str) -> bool:
    return f"{line}\n" in found.metrics.text().decode()
