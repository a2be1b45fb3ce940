"""What the same tokens would cost at list prices: an equivalent, not a bill.

In: the requests and a list of prices. Out: tables of cost by price, and by project, client or model at one price. A
prompt whose cached share is not logged has no cost of its own but a range: all cached, or nothing cached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files

import yaml
from msgspec import Struct, ValidationError, convert, to_builtins

from lms_audit.analyse.figures import Number, exact_sum, figure, runs_model, sample, why_missing
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


def _bounds(request: Request, price: Price) -> tuple[Number, Number] | None:
    """Least and most a request could have cost; ``None`` unless input and output are logged."""
    if request.input_tokens is None or request.output_tokens is None:
        return None
    output = request.output_tokens * price.output
    cached, fresh = _cached_tokens(request), _fresh_tokens(request)
    if cached is not None and fresh is not None:
        known = cached * price.cached_input + fresh * price.input + output
        return known, known
    return request.input_tokens * price.cached_input + output, request.input_tokens * price.input + output


def costs(requests: Sequence[Request], price: Price) -> tuple[Figure, ...]:
    """The cells of a cost row, under ``HEAD``."""
    asked = [request for request in requests if runs_model(request)]
    parts = (
        sample(asked, "cost_cached", _cached_tokens, "cached_tokens"),
        sample(asked, "cost_input", _fresh_tokens, "cached_tokens"),
        sample(asked, "cost_output", None, "output_tokens"),
    )
    rates = (price.cached_input, price.input, price.output)
    cells = [
        part.figure(exact_sum(part.values) * rate / MILLION if part.values else None)
        for part, rate in zip(parts, rates, strict=True)
    ]
    bounds = [(request, _bounds(request, price)) for request in asked]
    known = [bound for _, bound in bounds if bound is not None]
    missing = Counter(why_missing(request, "output_tokens") for request, bound in bounds if bound is None)
    for metric, side in (("cost_total_low", 0), ("cost_total_high", 1)):
        total = exact_sum(bound[side] for bound in known) / MILLION if known else None
        cells.append(figure(metric, total, len(known), dict(sorted(missing.items()))))
    return tuple(cells)


def cost_by_price(requests: Sequence[Request], prices: Sequence[Price]) -> Table:
    """The run's cost at each price."""
    rows = tuple(Row(f"{price.name} ({price.as_of})", costs(requests, price)) for price in prices)
    return Table("cost", "API-equivalent cost", ("List price of", *HEAD), rows, NOTE)


def cost_by(requests: Sequence[Request], what: str, price: Price) -> Table:
    """Cost per project, client or model at one price, the largest first."""
    rows = []
    for name, group in grouped(requests, lambda request: getattr(request, what)).items():
        cells = costs(group, price)
        unnamed = name is None or name == "unknown"
        link = None if unnamed else f"{what}:{name}"
        rows.append((unnamed, cells[-1].value, Row(UNNAMED[what] if unnamed else str(name), cells, link)))
    rows.sort(key=lambda row: (row[0], -(row[1] if isinstance(row[1], int | float) else 0), row[2].label))
    title = f"API-equivalent cost by {what} at the list price of {price.name}"
    return Table(f"cost_{what}s", title, (what.capitalize(), *HEAD), tuple(row for _, _, row in rows), NOTE)
