"""What the same tokens would cost at list prices: an equivalent, not a bill.

In: the requests and a list of prices. Out: tables of cost by price, and by project, client or model at one price. A
prompt whose cached share is not logged has no cost of its own but a range: all cached, or nothing cached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.resources import files
from math import fsum
from operator import mul

import yaml
from msgspec import Struct, ValidationError, convert, to_builtins

from lms_audit.analyse.figures import Sample, exact_sum, figure, runs_model, sample, why_missing
from lms_audit.analyse.groups import UNNAMED, grouped
from lms_audit.analyse.report import Figure, Row, Table
from lms_audit.errors import MISUSE, AuditError
from lms_audit.model import Request

MILLION = 1_000_000
HEAD = ("Cached input", "Non-cached input", "Output", "Total, at least", "Total, at most")
NOTE = (
    "An equivalent, not a bill: what these token counts would cost at list prices of hosted models. Without cache "
    "writes, tiers or discounts; other models would have written other answers."
)


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list price in US dollars per million tokens."""

    name: str
    as_of: str
    """Month or day on which it held."""
    source: str = ""
    cached_input: float
    input: float
    output: float


def load_prices(text: str, name: str) -> tuple[Price, ...]:
    """Prices from YAML; ``name`` is the file's, for the error."""
    try:
        # YAML makes a day a date; to_builtins makes it a text again
        return convert(to_builtins(yaml.safe_load(text)), tuple[Price, ...], strict=False)
    except (yaml.YAMLError, ValidationError) as error:
        raise AuditError(f"{name}: not a list of prices: {' '.join(str(error).split())}", MISUSE) from error


def known_prices() -> tuple[Price, ...]:
    """The prices that come with the package."""
    return load_prices(files(__package__).joinpath("prices.yml").read_text(encoding="utf-8"), "prices.yml")


def _fresh_tokens(request: Request) -> int | None:
    """Input tokens that were not cached, where both are logged."""
    if request.input_tokens is None or request.cached_tokens is None:
        return None
    return max(0, request.input_tokens - request.cached_tokens)


def _cached_tokens(request: Request) -> int | None:
    return None if request.input_tokens is None else request.cached_tokens


class Bill(Struct, frozen=True):
    """The tokens of some requests, to be priced: they are counted once for all prices."""

    parts: tuple[Sample, Sample, Sample]
    """Cached input, input that was not, output: each over the requests that have it logged."""
    least: tuple[int, int, int]
    """The same three added up over the requests whose input and output are logged, as if what may be was cached."""
    most: tuple[int, int, int]
    """And as if nothing was that is not said to be."""
    n: int
    """Requests behind ``least`` and ``most``."""
    excluded: dict[str, int]
    """Reason -> requests that are not among them."""


def bill(requests: Iterable[Request]) -> Bill:
    """Count the tokens of the requests that ran a model."""
    asked = [request for request in requests if runs_model(request)]
    known: list[tuple[int, int, int, int]] = []
    missing: Counter[str] = Counter()
    for request in asked:
        if request.input_tokens is None or request.output_tokens is None:
            missing[why_missing(request, "output_tokens")] += 1
            continue
        fresh = _fresh_tokens(request)
        if fresh is None:
            known.append((0, 0, request.input_tokens, request.output_tokens))
        else:
            known.append((request.cached_tokens or 0, fresh, 0, request.output_tokens))
    cached, fresh, open_, output = map(sum, zip(*known, strict=True)) if known else (0, 0, 0, 0)
    return Bill(
        (
            sample(asked, "cost_cached", _cached_tokens, "cached_tokens"),
            sample(asked, "cost_input", _fresh_tokens, "cached_tokens"),
            sample(asked, "cost_output", None, "output_tokens"),
        ),
        (cached + open_, fresh, output),
        (cached, fresh + open_, output),
        len(known),
        dict(sorted(missing.items())),
    )


def costs(billed: Bill, price: Price) -> tuple[Figure, ...]:
    """The cells of a cost row, under ``HEAD``."""
    rates = (price.cached_input, price.input, price.output)
    cells = [
        part.figure(exact_sum(part.values) * rate / MILLION if part.values else None)
        for part, rate in zip(billed.parts, rates, strict=True)
    ]
    for metric, tokens in (("cost_total_low", billed.least), ("cost_total_high", billed.most)):
        total = fsum(map(mul, tokens, rates)) / MILLION if billed.n else None
        cells.append(figure(metric, total, billed.n, billed.excluded))
    return tuple(cells)


def cost_by_price(requests: Sequence[Request], prices: Sequence[Price]) -> Table:
    """The run's cost at each price."""
    billed = bill(requests)
    rows = tuple(Row(f"{price.name} ({price.as_of})", costs(billed, price)) for price in prices)
    return Table("cost", "API-equivalent cost", ("List price of", *HEAD), rows, NOTE)


def cost_by(requests: Sequence[Request], what: str, price: Price) -> Table:
    """Cost per project, client or model at one price, the largest first."""
    rows = []
    for name, group in grouped(requests, lambda request: getattr(request, what)).items():
        cells = costs(bill(group), price)
        unnamed = name is None or name == "unknown"
        link = None if unnamed else f"{what}:{name}"
        rows.append((unnamed, cells[-1].value, Row(UNNAMED[what] if unnamed else str(name), cells, link)))
    rows.sort(key=lambda row: (row[0], -(row[1] if isinstance(row[1], int | float) else 0), row[2].label))
    title = f"API-equivalent cost by {what} at the list price of {price.name}"
    return Table(f"cost_{what}s", title, (what.capitalize(), *HEAD), tuple(row for _, _, row in rows), NOTE)
