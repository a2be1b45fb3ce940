"""What is improbable costs so much. Costs are sums of small penalties; only differences mean anything."""

from __future__ import annotations

SURE = 4.0
"""By how much the best explanation must beat another one to count as settled."""
IMPOSSIBLE = 500.0
WRONG = 30.0
"""What cannot be in a whole log."""
UNLIKE = 12.0
"""What hardly ever happens."""
LATE = 1.0
"""What is late as often as not."""
GUESS = 3.0
"""What is rather not so."""
MISSING = 8.0
"""A part that should be there is not."""
SECOND = 1000
SPAN = 2.0
"""An engine's time and that of the packets differ; what else the machine was at is not known."""
IN_APP = 16.0
"""An engine task was nobody's: for a chat in the application itself."""
CLOSING_MS = 2000
"""So soon after its end at the latest a client closes its connection."""
