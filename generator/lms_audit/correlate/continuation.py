"""How one request continues another: the words that threads are told in."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from lms_audit.model import Kind

SIDE_KINDS = frozenset({Kind.TITLE, Kind.SUMMARY, Kind.COMPACTION, Kind.OTHER})
"""Kinds of requests that never belong to the conversation they are about."""


class Relation(StrEnum):
    """How a request goes on with its parent."""

    STARTS = "starts"
    EXTENDS = "extends"
    REPEATS = "repeats"
    """The same prompt again: a retry, or another answer asked for."""
    EDITS = "edits"
    """Shares the beginning, or an answer, and differs before the parent's end: edited, forked or pruned history."""
    COMPACTED = "compacted"
    """The history was replaced by a summary."""
    STORED = "stored"
    """Names the answer it continues; the body holds only what is new."""
    GROUPED = "grouped"
    """No messages to compare: put together by model, time and message count. Without a parent where several fit."""


class Link(Struct, frozen=True):
    """A request's place in its thread."""

    thread: int
    """Number of its thread; -1 where no model runs."""
    relation: Relation = Relation.STARTS
    parent: int | None = None
    """Index of the request it continues; for the start of a side request, the request whose prompt it repeats."""
    leaf: int = 0
    """Where its prompt ends in the talk."""
    answer_after: int | None = None
    """Messages of the talk before the parent's answer, where the prompt shows it."""


class Found(Struct, frozen=True):
    """A parent, before the request is in its thread."""

    parent: int
    relation: Relation
    meets: int = 0
    """Talk node up to which the prompts agree."""
    immediate: bool = False
    """Exactly one answer, or none, lies between."""
