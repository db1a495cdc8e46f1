"""Scores a CSV file of faces, tones and hairstyles: the same answers as the service gives.

    python -m task predict --input people.csv --output answers.csv

The file is read line by line and written under a temporary name, so any number of lines takes
the same memory and a crash leaves nothing half-written. Not a data frame: a bad line must be
rejected with its number and its reason while the rest go on, and since lines repeat few
combinations, a small cache of finished lines is faster than any column operation.

The output is for machines: the three input columns stand there exactly as they were given, also
where a spreadsheet would take one for a formula. Open it in a spreadsheet by its text import.
"""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from common import feedback
from common.errors import RetrainError, UsageError
from task import encodings
from task.artifact import ScoreTable

INPUTS = ("face_shape", "skin_tone", "hairstyle")
KNOWN = tuple(f"known_{name}" for name in INPUTS)
COLOUR = "personal_color"
"""May stand for skin_tone, as the table of votes has it: the tone follows from it."""
OUTPUTS = (*INPUTS, "score", "like_probability", *KNOWN, "model_version")
LISTED = 20
"""Rejected lines that are named one by one."""
CACHE = 65_536
"""Combinations whose finished line is remembered."""
CHUNK = 8_192
"""Lines between two writes, and between two reports of progress."""
LONGEST = 1 << 20
"""Bytes of a line; a longer one is no CSV of ours, and is never held whole."""

Known = tuple[bool, bool, bool]
Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What was scored. `unknown` counts lines by the column that the model has not learned."""

    version: str
    lines: int
    unknown: dict[str, int]
    rejected: dict[str, int]
    rejected_lines: list[dict[str, Any]]
    """[{line, reason}] of the first `LISTED`; the header is line 1."""


def predict(
    table: ScoreTable, source: Path, target: Path | None, progress: Progress | None = None
) -> Predicted:
    """Score the lines of `source` into `target`, in their order; None only reads and counts.

    `progress` is told now and then how many bytes were read. UsageError: the input cannot be
    read, lacks a column or has lines of which none can be scored, or there is no such place
    for the output. RetrainError: the disk is full.
    """
    with _reading(source) as file, _writing(source, target) as out:
        lines = _Lines(file)
        records = _Records(lines, source)
        answers = _Answers(table, of_colour=records.of_colour)
        header = tuple(COLOUR if records.of_colour and n == INPUTS[1] else n for n in OUTPUTS)
        out.write(("\ufeff" if lines.bom else "") + _text(header))
        for chunk in records.chunks():
            out.writelines(answers.lines(chunk))
            if progress:
                progress(file.tell())
        if records.rejected and not answers.total:
            raise _none_scored(source, records)
    return Predicted(
        version=table.version,
        lines=answers.total,
        unknown=answers.unknown,
        rejected=dict(records.rejected),
        rejected_lines=records.listed,
    )


def _none_scored(source: Path, records: _Records) -> UsageError:
    reasons = ", ".join(f"{lines:,} {reason}" for reason, lines in records.rejected.items())
    return UsageError(
        f"the input must have lines that can be scored, got none in {source} (rejected: "
        f"{reasons}); {encodings.advice(records.sample)}"
    )


class _Answers:
    """Finished lines of output by their inputs, and how many of them were unknown to the model."""

    def __init__(self, table: ScoreTable, *, of_colour: bool) -> None:
        self._table = table
        self._of_colour = of_colour
        self._seen: Counter[Known] = Counter()
        self._cached = lru_cache(CACHE)(self._line)
        self._figures = lru_cache(CACHE)(self._numbers)

    def lines(self, chunk: list[tuple[str, str, str]]) -> list[str]:
        """The lines of (face, tone, style) records."""
        finished = [self._cached(*fields) for fields in chunk]
        self._seen.update([known for _, known in finished])
        return [text for text, _ in finished]

    @property
    def total(self) -> int:
        return self._seen.total()

    @property
    def unknown(self) -> dict[str, int]:
        return {
            name: sum(lines for known, lines in self._seen.items() if not known[i])
            for i, name in enumerate(INPUTS)
        }

    def _line(self, face: str, tone: str, style: str) -> tuple[str, Known]:
        table, tone_name = self._table, unicodedata.normalize("NFC", tone).strip()
        named = not self._of_colour or feedback.personal_color(tone) is not None
        if self._of_colour:
            tone_name = feedback.skin_tone(tone)
        at = table.lookup(feedback.face_shape(face), tone_name, style)
        # The neutral tone is the unknown class too, but whoever names it is understood.
        known = (at[0] != 0, named and tone_name in table.vocabulary.tone_codes, at[2] != 0)
        flags = ("true" if each else "false" for each in known)
        return _text((face, tone, style, *self._figures(at), *flags, table.version)), known

    def _numbers(self, at: tuple[int, int, int]) -> list[str]:
        """Score and like probability as the shortest decimals that are these very numbers."""
        cells = (self._table.score[at], self._table.like[at])
        return [np.format_float_positional(value, trim="-") for value in cells]


class _Lines:
    """A file's lines as text; of the record at hand also which they are and what is wrong."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._again: deque[bytes] = deque()
        self.bom = file.read(3) == b"\xef\xbb\xbf"
        if not self.bom:
            file.seek(0)
        self.number = 0
        self.taken: list[bytes] = []
        self.faults: list[str] = []

    def begin(self) -> None:
        """A new record: none of its lines is taken yet."""
        self.taken.clear()
        self.faults.clear()

    def give_back(self) -> None:
        """Let all lines of this record but its first be read again."""
        rest = self.taken[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)

    def __iter__(self) -> Iterator[str]:
        while line := self._again.popleft() if self._again else self._read():
            self.number += 1
            self.taken.append(line)
            try:
                text = line.decode()
            except UnicodeDecodeError:
                self.faults.append("invalid_utf8")
                text = line.decode(errors="replace")
            if "\0" in text:
                self.faults.append("nul_character")
            if len(line) >= LONGEST:
                self.faults.append("line_too_long")
            yield text

    def _read(self) -> bytes:
        """The next line, or the beginning of one that is too long."""
        line = data = self._file.readline(LONGEST)
        while len(data) == LONGEST and not data.endswith(b"\n"):
            data = self._file.readline(LONGEST)
        return line


class _Records:
    """The usable records of a file as (face, tone, style); the others counted, some listed."""

    def __init__(self, lines: _Lines, source: Path) -> None:
        self._lines = lines
        self.rejected: Counter[str] = Counter()
        self.listed: list[dict[str, Any]] = []
        self.sample = b""
        """The first record that was rejected, as it stands in the file."""
        header = [name.strip() for name in next(self._records(), [])]
        self.of_colour = INPUTS[1] not in header and COLOUR in header
        columns = [COLOUR if self.of_colour and n == INPUTS[1] else n for n in INPUTS]
        _check_header(source, header, columns, self.sample or b"".join(lines.taken))
        self._width = len(header)
        self._pick = itemgetter(*map(header.index, columns))

    def chunks(self) -> Iterator[list[tuple[str, str, str]]]:
        """The records, at most `CHUNK` at a time."""
        usable = self._whole()
        while chunk := [self._pick(fields) for fields in islice(usable, CHUNK)]:
            yield chunk

    def _whole(self) -> Iterator[list[str]]:
        """Records with as many fields as the header; an empty line is none."""
        for fields in self._records():
            if len(fields) == self._width:
                yield fields
            elif fields:
                self._reject("wrong_number_of_fields")

    def _records(self) -> Iterator[list[str]]:
        """Every record that is CSV and text."""
        lines = self._lines
        lines.begin()
        for fields in self._parsed():
            if lines.faults:
                self._reject(lines.faults[0])
            else:
                yield fields
            lines.begin()

    def _parsed(self) -> Iterator[list[str]]:
        """Every record that is CSV; after one that is not, reading goes on with the next line."""
        while True:
            try:
                yield from csv.reader(self._lines, strict=True)
                return
            except csv.Error:
                # A quote that was not closed has swallowed the lines after it.
                self._reject(self._lines.faults[0] if self._lines.faults else "not_csv")
                self._lines.give_back()
                self._lines.begin()

    def _reject(self, reason: str) -> None:
        self.sample = self.sample or b"".join(self._lines.taken)
        self.rejected[reason] += 1
        if len(self.listed) < LISTED:
            first = self._lines.number - len(self._lines.taken) + 1
            self.listed.append({"line": first, "reason": reason})


def _check_header(source: Path, header: list[str], columns: list[str], sample: bytes) -> None:
    missing = [name for name in columns if header.count(name) != 1]
    if missing:
        raise UsageError(
            f"the input must be CSV in UTF-8 whose first line names {', '.join(INPUTS)} once "
            f"each ({COLOUR} may stand for {INPUTS[1]}), separated by commas; {source} does not "
            f"for {', '.join(missing)}: add them, or {encodings.advice(sample)}"
        )


@contextmanager
def _reading(source: Path) -> Iterator[BinaryIO]:
    try:
        file = source.open("rb")
    except OSError as error:
        raise UsageError(
            f"the input must be a file that can be read, got {source}: {error.strerror}; "
            "correct the path"
        ) from error
    with file:
        yield file


@contextmanager
def _writing(source: Path, target: Path | None) -> Iterator[TextIO]:
    """The output under a temporary name, which becomes its own when all is written."""
    if target is None:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            yield nowhere
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        if target.exists() and (not target.is_file() or target.samefile(source)):
            raise UsageError(
                f"the output must be a file of its own, got {target}, which is the input or no "
                "plain file: name another"
            )
        with draft.open("w", encoding="utf-8", newline="") as out:
            yield out
        draft.replace(target)
    except OSError as error:
        raise RetrainError(
            f"the output must be writable with room on its disk, got {target}: "
            f"{error.strerror}; free some space or name another place"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _text(fields: tuple[str, ...]) -> str:
    """One line of CSV."""
    line = io.StringIO()
    # With the standard's own line end the writer also quotes a lone carriage return.
    csv.writer(line, lineterminator="\r\n").writerow(fields)
    return line.getvalue()
