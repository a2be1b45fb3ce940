"""``python -m lms_audit`` is ``lms-audit``."""

from __future__ import annotations

from lms_audit.cli import main

if __name__ == "__main__":
    main()
