from __future__ import annotations

import sys

import pytest

from benchmarks.measure import run

CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}], check=True)"
WORK = "import hashlib; block = b'x' * 80_000_000; [hashlib.sha256(block).digest() for _ in range(3)]"


def test_a_run_keeps_time_output_and_exit_code() -> None:
    done = run([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"])
    assert done.code == 3
    assert sorted(done.output.split()) == ["err", "out"]
    assert 0 < done.seconds < 60


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_counts_the_children_of_the_children() -> None:
    done = run([sys.executable, "-c", CHILD.format(work=WORK)])
    assert done.code == 0
    assert done.peak_bytes is not None
    assert 80_000_000 < done.peak_bytes < 200_000_000
