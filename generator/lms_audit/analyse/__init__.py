"""Requests and sessions -> figures, findings and everything else the pages show; pure functions of the audit."""

from __future__ import annotations

from lms_audit.analyse.analysis import analyse

__all__ = ["analyse"]
