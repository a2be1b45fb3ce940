"""``python -m synthetic.story``: writes ``logs_sample/`` anew."""

from __future__ import annotations

import shutil
from pathlib import Path

from synthetic.story import write

folder = Path(__file__).resolve().parents[2] / "logs_sample"
shutil.rmtree(folder, ignore_errors=True)
ledger = write(folder)
size = sum(path.stat().st_size for path in folder.rglob("*.log"))
print(
    f"{folder}: {size / 1e6:.2f} MB, {len(list(ledger.generating()))} requests in {len(ledger.sessions())} conversations"
)
