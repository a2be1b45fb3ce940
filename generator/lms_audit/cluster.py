"""A Dask cluster as an ``Executor``, for archives of many machines; needs the extra ``lms-audit[cluster]``.

The workers must see the logs under the same paths or URLs, and have this package installed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from lms_audit.errors import FAILURE, MISUSE, AuditError

T = TypeVar("T")


def executor(address: str) -> Executor:
    """The workers of the cluster whose scheduler is at ``address``."""
    try:
        from distributed import Client
    except ImportError:
        raise AuditError("--scheduler needs the extra: pip install 'lms-audit[cluster]'", MISUSE) from None
    try:
        return _Cluster(Client(address, timeout="10s", set_as_default=False))
    except (OSError, ValueError) as error:
        raise AuditError(f"no Dask scheduler answers at {address}: {error}", FAILURE) from None


class _Cluster(Executor):
    """Dask's own executor, which also leaves the cluster when it is done."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._inner = client.get_executor(pure=False, retries=2)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = self._inner.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._inner.shutdown(wait=wait and not cancel_futures)
        self._client.close()
