"""The languages of the page, and the sentence of one that says what an English sentence says.

All code speaks English. A sentence is put into the visitor's language when it leaves the server, so that the library,
whose errors and verdicts are shown too, need not know that there is a page. zh.json holds the sentences, by their
English; what varies in one stands in braces: "step {step} of {steps}", or "{num:d} variants" for a number alone.
"""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["CHINESE", "COOKIE", "ENGLISH", "FIELD", "LANGUAGES", "catalogue", "language_of", "translate"]

ENGLISH, CHINESE = "en", "zh-CN"
LANGUAGES = {ENGLISH: "English", CHINESE: "简体中文"}
COOKIE = "flowgen_language"
FIELD = re.compile(r"\{(\w+)(?::d)?\}")
ANYTHING, NUMBER = ".+?", r"-?[\d.,]+"


@functools.cache
def catalogue(language: str) -> dict[str, str]:
    """What English sentences are in a language; nothing for English."""
    if language == ENGLISH:
        return {}
    found: dict[str, str] = json.loads((Path(__file__).parent / "zh.json").read_text(encoding="utf-8"))
    return found


def language_of(query: Mapping[str, str], cookies: Mapping[str, str], accepted: str) -> str:
    """The language to answer in: that of the address, else the one chosen before, else the browser's first known one.

    Args:
        query: `lang` may name a language.
        cookies: so may COOKIE.
        accepted: the header Accept-Language.
    """
    for chosen in (query.get("lang"), cookies.get(COOKIE)):
        if chosen in LANGUAGES:
            return str(chosen)
    for part in accepted.split(","):
        name = part.split(";")[0].strip().lower()
        if name.startswith("en"):
            return ENGLISH
        if name.startswith("zh"):
            return CHINESE
    return ENGLISH


def translate(text: str, language: str) -> str:
    """A sentence in a language; as it was, where the language has none.

    >>> translate("step 3 of 10 · stopped", "zh-CN")
    '第 3 步，共 10 步 · 已停止'
    """
    if language == ENGLISH or not re.search("[A-Za-z]", text):
        return text
    known = catalogue(language)
    if text in known:
        return known[text]
    if " · " in text:
        return " · ".join(translate(part, language) for part in text.split(" · "))
    for pattern, template in _patterns(language):
        if found := pattern.fullmatch(text):
            return _filled(template, {name: translate(said, language) for name, said in found.groupdict().items()})
    if "; " in text:
        return "；".join(translate(part, language) for part in text.split("; "))
    return text


def _filled(template: str, fields: Mapping[str, Any]) -> str:
    """The fields as they are: what a visitor wrote may hold braces."""
    return FIELD.sub(lambda field: str(fields[field[1]]), template)


@functools.cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The sentences with fields, those that say most first."""
    said = {english: theirs for english, theirs in catalogue(language).items() if FIELD.search(english)}
    by_length = sorted(said, key=lambda english: -len(FIELD.sub("", english)))
    return [(_pattern(english), said[english]) for english in by_length]


def _pattern(english: str) -> re.Pattern[str]:
    pieces, at = [], 0
    for field in FIELD.finditer(english):
        kind = NUMBER if field[0].endswith(":d}") else ANYTHING
        pieces += [re.escape(english[at : field.start()]), f"(?P<{field[1]}>{kind})"]
        at = field.end()
    return re.compile("".join(pieces) + re.escape(english[at:]), re.DOTALL)
