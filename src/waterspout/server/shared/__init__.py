"""Logs of channels that several nodes share: a broker numbers the entries, and nodes mirror what their readers need."""

from .log import SharedLog
from .logs import SharedLogs, check_size, log_key
from .store import Appended, Batch, LogStore, NewEntry, Page, StoredEntry, StoringAdapter

__all__ = [
    "Appended",
    "Batch",
    "LogStore",
    "NewEntry",
    "Page",
    "SharedLog",
    "SharedLogs",
    "StoredEntry",
    "StoringAdapter",
    "check_size",
    "log_key",
]
