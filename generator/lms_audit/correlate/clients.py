"""Who sent a request, what for, and about which project: ``ClientFacts`` -> ``Identity``, with the evidence quoted.

Of each group of evidence (system texts, tools, parameters, user texts) a client's best match counts; its confidence is
1 − Π(1 − weight). Below ``LEAST`` nobody is named. Matches are anchored, so that a client that is merely mentioned is
not recognised; a fork wins over what it was forked from; tools tell the truth where an identity line is copied.

A request whose facts were met before costs a dictionary lookup; new system texts, user texts, tool sets and parameters
cost one pass of the rules over what is new.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lms_audit.correlate.client_facts import ClientFacts, FactsReader, Tree
from lms_audit.correlate.client_match import Group, Hit, Matcher, plain, quoted, tool_list
from lms_audit.correlate.client_rules import UNKNOWN, Client, Purpose, RuleSet, ancestors, load
from lms_audit.correlate.projects import place_in_facts, project_in_facts
from lms_audit.correlate.tool_paths import Project
from lms_audit.model import Api, Kind, Library, Prompt

LEAST = 0.5
"""A client is named from this confidence on."""
SUREST = 0.99
"""Nothing in a body is proof."""
CLOSE = 0.1
"""A runner-up within this of the best is named beside it."""
OWN = 0.7
"""A rule of a client's own, of this weight, overrules the clients it was forked from or runs inside of itself."""
_TELLING_TOOLS = 0.5
_CLEAR_LINE = 0.8
_SOME_LINE = 0.6
_AT_WORK = 0.4
"""Tools and parameters worth this much show that a client is there itself, and not its copied identity line only."""
_SHOWN_EVIDENCE = 6
_SHOWN_PARAMS = 8
_NAMED_PURPOSES = frozenset({Purpose.MEMORY, Purpose.COMMIT, Purpose.HELPER})
"""Purposes that short words of a person may look like: believed of a known client only."""


class Identity(Struct, frozen=True, kw_only=True):
    """Who sent a request."""

    client: str = UNKNOWN
    confidence: float = 0.0
    """0–1 for the client named."""
    evidence: tuple[str, ...] = ()
    """Quoted evidence, one line each; for an unknown client the shape of the request."""
    engine_client: str | None = None
    """The client whose body this is, when another one speaks to the user."""
    kind: Kind = Kind.MAIN
    kind_reason: str | None = None
    session_hint: str | None = None
    """The client's own id of the session."""
    candidates: tuple[str, ...] = ()
    """Other clients the evidence fits as well: words they share, or a score as good."""


class Recognition(Struct, frozen=True):
    """What one body says of its sender."""

    identity: Identity
    project: Project | None


class _Score:
    """The evidence for one client."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.best: dict[Group, Hit] = {}
        self.hits: list[Hit] = []

    def add(self, hit: Hit) -> None:
        self.hits.append(hit)
        known = self.best.get(hit.group)
        if known is None or hit.rule.weight > known.rule.weight:
            self.best[hit.group] = hit

    def confidence(self, *without: Group) -> float:
        doubt = 1.0
        for group, hit in self.best.items():
            if group not in without:
                doubt *= 1 - hit.rule.weight
        return round(1 - doubt, 4)

    def own_weight(self, other: str, *groups: Group) -> float:
        """The best weight of a rule that ``other`` does not share."""
        return max(
            (
                hit.rule.weight
                for hit in self.hits
                if other not in hit.rule.shared and (not groups or hit.group in groups)
            ),
            default=0.0,
        )


class Clients:
    """The clients known, and telling them apart."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._matcher = Matcher(rules)
        self._ancestors = {name: ancestors(rules, name) for name in rules.clients}
        self._order = {name: number for number, name in enumerate(rules.clients)}

    @classmethod
    def load(cls, extra: Path | None = None) -> Clients:
        """The built-in clients, with a file of the user's. Raises ``AuditError``."""
        return cls(load(extra))

    def name(self, client: str) -> str:
        """The name pages show for an id."""
        known = self.rules.clients.get(client)
        return known.name if known else "Unknown client" if client == UNKNOWN else client

    def icon(self, client: str) -> str:
        """The id of a client's icon; ``client`` where it has none of its own."""
        known = self.rules.clients.get(client)
        return known.icon if known else "client"

    def identify(self, facts: ClientFacts) -> Identity:
        """Who sent the body that shows these facts. Never fails; the same facts give the same answer."""
        hits = self._matcher.hits(facts)
        scores: dict[str, _Score] = {}
        for hit in hits:
            if hit.client not in scores:
                scores[hit.client] = _Score(self.rules.clients[hit.client])
            scores[hit.client].add(hit)
        notes: list[str] = []
        engines = self._engines(scores)
        beaten = self._beaten(scores) | engines.keys() | set(self._copied(scores, bool(facts.tools.names), notes))
        ranked = sorted(
            (score for name, score in scores.items() if name not in beaten),
            # words a person may have pasted come last
            key=lambda score: (
                score.confidence(Group.USER) < LEAST,
                -score.confidence(),
                -len(score.best),
                self._order[score.client.id],
            ),
        )
        side = self._side_hits(hits, facts)
        best = next((score for score in ranked if score.confidence() >= LEAST), None)
        if best is None:
            return self._unknown(facts, ranked, side)
        ranked.remove(best)
        client = best.client.id
        purpose = max(
            (hit for hit in side if hit.client == client or client in hit.rule.shared),
            key=lambda hit: hit.rule.weight,
            default=None,
        )
        candidates = self._candidates(best, ranked, purpose)
        if candidates:
            notes.append(f"fits as well: {', '.join(map(self.name, candidates))}")
        shown = sorted(best.hits, key=lambda hit: (-hit.rule.weight, tuple(Group).index(hit.group)))
        kind, reason = _kind(purpose)
        return Identity(
            client=client,
            confidence=min(round(best.confidence(), 2), SUREST),
            evidence=(*dict.fromkeys(hit.evidence for hit in shown[:_SHOWN_EVIDENCE]), *notes),
            engine_client=next((engine for engine, driver in engines.items() if driver == client), None),
            kind=kind,
            kind_reason=reason,
            session_hint=self._session(client, facts),
            candidates=candidates,
        )

    def settle(self, side: Identity, main: Identity) -> Identity:
        """``side`` once it is known to belong to the conversation of ``main``: shared words then name its client."""
        if main.client in (UNKNOWN, side.client):
            return side
        if side.client != UNKNOWN and main.client not in side.candidates:
            return side
        return replace(
            side,
            client=main.client,
            confidence=main.confidence,
            evidence=(*side.evidence, f"belongs to a conversation of {self.name(main.client)}"),
            engine_client=main.engine_client,
            candidates=(),
        )

    # -- who overrules whom

    def _beaten(self, scores: dict[str, _Score]) -> set[str]:
        """Clients of which a fork shows a rule of its own."""
        return {
            other
            for name, score in scores.items()
            for other in self._ancestors[name]
            if other in scores and score.own_weight(other) >= OWN
        }

    def _engines(self, scores: dict[str, _Score]) -> dict[str, str]:
        """Clients that run inside of another one -> that one."""
        found: dict[str, str] = {}
        for name, score in scores.items():
            for other in score.client.drives:
                inner = scores.get(other)
                if inner is None or score.own_weight(other) < OWN:
                    continue
                at_work = inner.confidence(Group.SYSTEM) >= _AT_WORK if inner.client.copied else True
                if at_work and inner.confidence() >= LEAST:
                    found.setdefault(other, name)
        return found

    def _copied(self, scores: dict[str, _Score], has_tools: bool, notes: list[str]) -> Iterator[str]:
        """Clients whose identity others copy, where the tools or another identity line say it is one of those."""
        for name, score in scores.items():
            if not score.client.copied:
                continue
            line = _CLEAR_LINE if score.confidence(Group.SYSTEM) >= _AT_WORK else _SOME_LINE
            for other, rival in scores.items():
                if other == name:
                    continue
                tools = rival.own_weight(name, Group.TOOLS)
                if has_tools and Group.TOOLS not in score.best and tools >= _TELLING_TOOLS:
                    notes.append(f"its tools are not those of {score.client.name}, whose identity it sends")
                elif rival.own_weight(name, Group.SYSTEM) < line:
                    continue
                yield name
                break

    def _candidates(self, best: _Score, others: list[_Score], purpose: Hit | None) -> tuple[str, ...]:
        found = [
            score.client.id
            for score in others
            if score.confidence() >= LEAST and best.confidence() - score.confidence() <= CLOSE
        ]
        if purpose is not None:
            # a request beside the conversation shows little more than words that forks kept
            shared = set.intersection(*(set(hit.rule.shared) for hit in best.hits if hit.rule.weight >= 0.2))
            found += [name for name in sorted(shared, key=self._order.__getitem__) if name not in found]
        return tuple(found)

    # -- what for

    def _side_hits(self, hits: Iterable[Hit], facts: ClientFacts) -> list[Hit]:
        """Matches that show a request beside the conversation."""
        asked = {id(hit.rule) for block in facts.ask for hit in self._matcher.block_hits(block)}
        main = {hit.client for hit in hits if hit.group is Group.SYSTEM and hit.rule.kind is None}
        return [
            hit
            for hit in hits
            if hit.rule.kind is not None
            # of user texts only what is asked for now; tools and parameters only if the system text says nothing else
            and (hit.group is not Group.USER or id(hit.rule) in asked)
            and (hit.group in (Group.SYSTEM, Group.USER) or hit.client not in main)
        ]

    def _unknown(self, facts: ClientFacts, ranked: list[_Score], side: list[Hit]) -> Identity:
        believed = [hit for hit in side if hit.group is not Group.USER or hit.rule.kind not in _NAMED_PURPOSES]
        kind, reason = _kind(max(believed, key=lambda hit: hit.rule.weight, default=None))
        return Identity(
            evidence=tuple(self._shape(facts, max(ranked, key=_Score.confidence, default=None))),
            kind=kind,
            kind_reason=reason,
            candidates=tuple(score.client.id for score in ranked if score.confidence() >= 0.3),
        )

    def _shape(self, facts: ClientFacts, best: _Score | None) -> Iterator[str]:
        """What an unknown request looks like."""
        if best is not None and best.confidence() >= 0.2:
            said = "; ".join(hit.evidence for hit in best.best.values())
            yield f"too little for {best.client.name} ({best.confidence():.2f}): {said}"
        if facts.system:
            yield f"system prompt starts with {quoted(facts.system[0].head)}"
        else:
            yield "no system prompt"
        names = facts.tools.names
        yield f"tools: {tool_list(names)} ({len(names)})" if names else "no tools"
        members = [plain(name, 40) for name in facts.params.values if name != "model"]
        if members:
            more = ", …" if len(members) > _SHOWN_PARAMS else ""
            yield f"parameters: {', '.join(members[:_SHOWN_PARAMS])}{more}"

    def _session(self, client: str, facts: ClientFacts) -> str | None:
        for place in self.rules.clients[client].sessions:
            found = place_in_facts(place, "id", facts)
            if found is not None:
                return found.value
        return None


def _kind(hit: Hit | None) -> tuple[Kind, str | None]:
    if hit is None or hit.rule.kind is None:
        return Kind.MAIN, None
    purpose = hit.rule.kind
    return purpose.kind, hit.quote if purpose.kind is not Kind.OTHER else f"{purpose.value} request: {hit.quote}"


class Recognizer:
    """Recognises the requests of one run, remembering what it has seen."""

    def __init__(self, clients: Clients, library: Library, tree: Tree) -> None:
        self.clients = clients
        self._reader = FactsReader(library, tree)
        self._known: dict[Hashable, Recognition] = {}

    def recognise(self, prompt: Prompt, api: Api | None = None) -> Recognition:
        """Sender, purpose and project of a body; the project only where the prompt names it."""
        signature = self._reader.signature(prompt)
        known = self._known.get(signature)
        if known is None:
            facts = self._reader.facts(prompt)
            identity = self.clients.identify(facts)
            client = self.clients.rules.clients.get(identity.client)
            project = project_in_facts(client.projects if client else (), self.clients.rules.projects, facts)
            known = self._known[signature] = Recognition(identity, project)
        if api is Api.EMBEDDINGS:
            identity = replace(known.identity, kind=Kind.EMBEDDING, kind_reason="asks for embeddings")
            return Recognition(identity, known.project)
        return known
