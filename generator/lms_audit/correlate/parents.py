"""The ways to find the request that another one continues.

In: what earlier requests have left (``Past``), and where a prompt ends in the talk. Out: the parent, or none. Each way
looks at a bounded number of requests.
"""

from __future__ import annotations

from collections.abc import Sequence

from lms_audit.correlate.compaction import after_compaction
from lms_audit.correlate.continuation import Found, Relation
from lms_audit.correlate.past import CLOCK_MS, Line, Past
from lms_audit.model import Kind, Role, Status

_MINUTE = 60_000
_RETRY_MS = 2 * _MINUTE
"""A failed prompt that comes again within this time is a retry, not a second session with the same words."""
_STALE_MS = 30 * _MINUTE
"""A prompt this old without a continuation has none to come, if a younger one explains the request as well."""

_CLIMB = 64
_ACTIVE = 16


def parent(past: Past, index: int, line: Line, leaf: int, new: Sequence[int], fresh: int) -> Found | None:
    """The request that ``index`` continues, its prompt ending at ``leaf`` of the talk.

    ``new``: the nodes of its prompt that no earlier one has, last first. ``fresh``: how many messages of its talk are
    new to its ``line``.
    """
    retried = _retried(past, index, line, leaf)
    if retried is not None:
        return retried
    extended = _extended(past, index, line, leaf, fresh)
    again = _asked_again(past, index, line, leaf)
    if again is not None:
        return extended if extended is not None and _runs_alike(past, index, extended, again) else again
    edited = _edited(past, index, line, leaf, fresh)
    if extended is not None:
        return edited if edited is not None and _better_edited(past, index, edited, extended) else extended
    return (
        edited
        or _answer_reappears(past, index, new)
        or _message_changed(past, index, leaf)
        or _window_moved(past, index, line, leaf)
        or after_compaction(past, index)
    )


def stored(past: Past, index: int) -> Found | None:
    """The request whose stored answer ``index`` names."""
    other = past.responses.get(past.hints[index].previous_response or "")
    if other is None or past.links[other].thread < 0:
        return None
    return Found(other, Relation.STORED)


def _retried(past: Past, index: int, line: Line, leaf: int) -> Found | None:
    """The same prompt shortly after it failed, or next under the same session id.

    What comes later under that id is another: a sub-agent given the same task, a summary cut to the same words.
    """
    request = past.requests[index]
    for other in reversed(line.ends.get(leaf, ())):
        earlier = past.requests[other]
        if past.leaves[other] != past.leaves[index] or not past.may_join(index, other):
            continue
        if request.prompt and earlier.prompt and request.prompt.tools != earlier.prompt.tools:
            continue
        pause = past.pause(other, index)
        failed = earlier.status is not Status.COMPLETED and not past.continued[other]
        soon = pause is not None and -CLOCK_MS <= pause <= _RETRY_MS
        ended = pause is None or pause >= -CLOCK_MS
        if (failed and soon) or (ended and past.spoke_last(other, index)):
            return Found(other, Relation.REPEATS, leaf)
    return None


def _asked_again(past: Past, index: int, line: Line, leaf: int) -> Found | None:
    """The same prompt with answers in it: another answer is asked for. A first prompt is a new session instead."""
    for other in reversed(line.ends.get(leaf, ())):
        at_start = past.links[other].relation is Relation.STARTS and not past.talk.lived(leaf)
        if not at_start and past.talk.turns(leaf) and past.may_join(index, other):
            return Found(other, Relation.REPEATS, leaf)
    return None


def _extended(past: Past, index: int, line: Line, leaf: int, fresh: int) -> Found | None:
    """The deepest prompt that this one begins with and that nobody has continued."""
    tree = past.talk.tree
    turns = past.talk.turns(leaf)
    node = leaf
    for _ in range(min(fresh + _CLIMB, tree.depth(leaf) - 1)):
        node = tree.parent(node)
        open_ones = [
            other for other in line.ends.get(node, ()) if not past.continued[other] and past.may_join(index, other)
        ]
        if not open_ones:
            continue
        after = tree.ancestor(leaf, tree.depth(node) + 1)
        known = _answered_in(past, index, after)
        open_ones = [other for other in open_ones if known in (None, past.links[other].thread)]
        if not open_ones:
            continue
        if len(open_ones) > 1 or past.requests[index].truncated_by_log:
            scored = sorted((past.fit(index, other, after), other) for other in open_ones)
            (_, contradicted, *_), best = scored[-1]
            if contradicted < 0 and past.requests[index].truncated_by_log:
                continue
        else:
            best = open_ones[0]
        return Found(best, Relation.EXTENDS, node, immediate=turns - past.talk.turns(node) <= 1)
    return None


def _answered_in(past: Past, index: int, after: int) -> int | None:
    """The thread in which the answer at ``after`` of the talk was given, if its tool calls tell."""
    if not past.talk.answered_last(after):
        return None
    node = past.talk.find(past.leaves[index], past.talk.tree.depth(after))
    for call_id in past.talk.said(past.prompts.key(node)).call_ids:
        if call_id in past.given:
            return past.links[past.given[call_id]].thread
    return None


def _edited(past: Past, index: int, line: Line, leaf: int, fresh: int) -> Found | None:
    """The thread that shares most, an answer at least."""
    tree = past.talk.tree
    attach = tree.ancestor(leaf, tree.depth(leaf) - fresh)
    best: tuple[tuple[bool, int, int], Found] | None = None
    owner = line.owner.get(attach)
    tips = [] if owner is None else [owner]
    if line is past.lines.get(Kind.MAIN):
        tips += [past.threads[each].members[-1] for each in past.families.get(tree.ancestor(leaf, 1), ())]
    if owner is not None:
        tips.append(past.tip(owner))
    for other in tips:
        if not past.may_join(index, other):
            continue
        meets = tree.meet(past.links[other].leaf, leaf)
        root = past.links[past.root(other)].leaf
        if not (past.talk.lived(meets) or past.talk.turns(meets) > past.talk.turns(root)):
            continue
        rank = (past.same_hint(index, other), tree.depth(meets), other)
        if best is None or rank > best[0]:
            best = rank, Found(other, Relation.EDITS, meets)
    return best[1] if best else None


def _runs_alike(past: Past, index: int, extended: Found, again: Found) -> bool:
    """Two sessions came to the same prompt one after the other, rather than one asking for another answer.

    Agents come to the same prompt when a task is given twice; people ask again for an answer to what they wrote.
    """
    if not extended.immediate or past.same_thread(extended, again):
        return False
    exact = past.leaves[index] == past.leaves[again.parent]
    last = past.talk.said(past.prompts.key(past.leaves[index])).role
    return extended.parent > again.parent or not exact or last is Role.TOOL


def _better_edited(past: Past, index: int, edited: Found, extended: Found) -> bool:
    if past.same_thread(edited, extended):
        return past.talk.tree.depth(edited.meets) > past.talk.tree.depth(extended.meets)
    if extended.immediate:
        age = past.age(extended.parent, index)
        return edited.parent > extended.parent and age is not None and age > _STALE_MS
    return past.talk.tree.depth(edited.meets) > past.talk.tree.depth(extended.meets)


def _answer_reappears(past: Past, index: int, new: Sequence[int]) -> Found | None:
    """A thread one of whose answers stands in this prompt, though not after the same beginning."""
    for node in new:
        what = past.talk.said(past.prompts.key(node))
        for mark in (*what.call_ids, what.key if what.telling else None):
            other = past.given.get(mark) if mark else None
            if other is not None:
                tip = past.tip(other)
                if past.may_join(index, tip):
                    return Found(tip, Relation.EDITS)
    return None


def _message_changed(past: Past, index: int, leaf: int) -> Found | None:
    """The thread that this prompt continues by one answer but for one message of its latest prompt.

    Clients reword the first message (the time, the list of files) or put something last for one request only.
    """
    tree = past.talk.tree
    for tip in past.recent_tips(_ACTIVE):
        if past.continued[tip] or not past.may_join(index, tip):
            continue
        if past.tools(tip) != past.tools(index) or past.requests[tip].client != past.requests[index].client:
            continue
        end = past.links[tip].leaf
        if not end or past.talk.turns(leaf) != past.talk.turns(end) + 1:
            continue
        meets = tree.meet(end, leaf)
        found = Found(tip, Relation.EDITS, meets)
        before = past.answer_after(found, leaf)
        gone = before == tree.depth(meets)
        if before and (gone or _reworded(past, tip, index, tree.depth(meets) + 1)):
            return found
    return None


def _window_moved(past: Past, index: int, line: Line, leaf: int) -> Found | None:
    """The thread that this prompt continues by one answer, though its oldest messages are gone.

    Clients that send the latest messages only. What is left before the answer is the end of the parent's prompt, with
    nothing but the parent's own beginning before it.
    """
    talk, tree = past.talk, past.talk.tree
    node = leaf
    while node and not talk.answered_last(node):
        node = tree.parent(node)
    while node and talk.answered_last(node):
        node = tree.parent(node)
    if tree.depth(node) < 2:
        return None
    for other in reversed(line.tails.get(past.tail(node), ())):
        if past.continued[other] or not past.may_join(index, other):
            continue
        if past.tools(other) != past.tools(index) or past.requests[other].client != past.requests[index].client:
            continue
        end = past.links[other].leaf
        mine, its = node, end
        while mine and tree.key(mine) == tree.key(its):
            mine, its = tree.parent(mine), tree.parent(its)
        meets = tree.meet(end, leaf)
        if tree.depth(mine) <= tree.depth(meets):
            return Found(other, Relation.EDITS, meets)
    return None


def _reworded(past: Past, tip: int, index: int, depth: int) -> bool:
    """The messages at a depth of two prompts begin alike."""
    a, b = (past.talk.said(past.prompts.key(past.talk.find(past.leaves[each], depth))).text for each in (tip, index))
    length = min(len(a), len(b), 20)
    return length >= 4 and a[:length] == b[:length]


def origin(past: Past, leaf: int, *, side: bool) -> int | None:
    """For a side request: the latest conversation its prompt repeats. For others: one whose answers it shares."""
    line = past.lines.get(Kind.MAIN)
    if line is None:
        return None
    tree = past.talk.tree
    node = leaf
    while node and node not in line.owner:
        node = tree.parent(node)
    if not node or not (side or past.talk.lived(node)):
        return None
    return line.ends[node][-1] if node in line.ends else line.owner[node]
