"""What the documents for operators say: their links, their code, and each command in it."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.code import ROOT

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_INDENTED = re.compile(r"^ {4}(aws (?:.*\\\n)*.*)$", re.MULTILINE)
_HEREDOC = re.compile(r"<<'PY'\n(.*?)^PY$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"(^|\s{2,})# .*$", re.MULTILINE)
_ENDS = re.compile(r"[|;&()\n<>]+")


@dataclass(frozen=True, kw_only=True)
class Document:
    """One page."""

    path: Path
    text: str

    @classmethod
    def read(cls, name: str) -> "Document":
        """The page of this name below the project's root."""
        path = ROOT / name
        return cls(path=path, text=path.read_text(encoding="utf-8"))

    def blocks(self, *languages: str) -> list[str]:
        """The fenced blocks in one of these languages, without their indentation."""
        return [
            re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)
            for match in _FENCE.finditer(self.text)
            if match[2] in languages
        ]

    def spans(self) -> list[str]:
        """What stands between backticks in the prose and in tables."""
        return _SPAN.findall(_FENCE.sub("", self.text))

    def scripts(self) -> list[str]:
        """All shell: the blocks, what is indented, and the spans."""
        indented = _INDENTED.findall(_FENCE.sub("", self.text))
        return [*self.blocks("sh", "console"), *indented, *self.spans()]

    def python(self) -> list[str]:
        """The programs that shell blocks hand to Python."""
        return [program for block in self.blocks("sh") for program in _HEREDOC.findall(block)]

    def commands(self) -> list[list[str]]:
        """Every simple command in the shell, those in `$(…)` among them, as its words."""
        return [words for script in self.scripts() for words in commands(script)]

    def links(self) -> list[str]:
        """Where its links lead, but for other hosts."""
        found = _LINK.findall(_FENCE.sub("", self.text))
        return [link for link in found if "://" not in link]

    def anchors(self) -> set[str]:
        """The anchors of its headings, as GitHub makes them."""
        headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", self.text), flags=re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}

    def section(self, title: str) -> str:
        """What stands below a heading, up to the next of its level or above."""
        level, rest = re.split(rf"^(#+) {re.escape(title)}$", self.text, flags=re.MULTILINE)[1:]
        return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


def commands(script: str) -> Iterator[list[str]]:
    """The simple commands of a script, in no order that matters."""
    script = _COMMENT.sub("", _HEREDOC.sub("", script)).replace("\\\n", "")
    script, inner = _parted(script.removeprefix("$ "))
    for each in inner:
        yield from commands(each)
    lexer = shlex.shlex(script, posix=True, punctuation_chars="|;&()<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[str] = []
    for word in [*_words(lexer), "\n"]:
        if _ENDS.fullmatch(word):
            if words:
                yield words
            words = []
        else:
            words.append(word)


def _words(lexer: shlex.shlex) -> list[str]:
    try:
        return list(lexer)
    except ValueError:  # a span of prose with an apostrophe is no shell
        return []


def _parted(script: str) -> tuple[str, list[str]]:
    """The script with a word in place of each `$(…)`, and what stood in them."""
    inner: list[str] = []
    while (start := script.find("$(")) >= 0:
        depth, end = 0, start + 1
        while True:
            depth += {"(": 1, ")": -1}.get(script[end], 0)
            end += 1
            if not depth:
                break
        inner.append(script[start + 2 : end - 1])
        script = f"{script[:start]}SUBSTITUTED{script[end:]}"
    return script, inner
