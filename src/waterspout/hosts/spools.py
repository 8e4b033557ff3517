"""Bodies of HTTP that are complete before they are used: short ones in memory, longer ones in files without a name.

A `Store` limits the length of each body, and the files of all its bodies together. It may be used from any thread; a
`Spool` by one at a time.
"""

import errno
import threading
from collections.abc import Iterator
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO

from ..errors import PayloadTooLarge

__all__ = ["Spool", "Store"]

MEMORY_BYTES = 65_536  # of a body; what is longer is in a file


class Store:
    """Holds bodies of up to `max_bytes` each; their files have up to `max_stored_bytes` in all."""

    def __init__(self, max_bytes: int, max_stored_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.max_stored_bytes = max_stored_bytes
        self.stored_bytes = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Claim bytes of a file; OSError (ENOSPC), as by a disk that is full, if there are not so many."""
        with self._lock:
            if self.stored_bytes + size > self.max_stored_bytes:
                raise OSError(errno.ENOSPC, f"the bodies that wait have {self.max_stored_bytes} bytes already")
            self.stored_bytes += size

    def give_back(self, size: int) -> None:
        """Free them again."""
        with self._lock:
            self.stored_bytes -= size


class Spool:
    """One body: written, then read. To be closed by whoever has it last."""

    __slots__ = ("_file", "_store", "_stored_bytes", "size_bytes")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115  (it has a `close` of its own)
        self._stored_bytes = 0
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Add a part. PayloadTooLarge above the limit of one body; OSError if its file cannot grow."""
        size = self.size_bytes + len(data)
        if size > self._store.max_bytes:
            raise PayloadTooLarge(f"a body of more than {self._store.max_bytes} bytes, which is the limit")
        if size > MEMORY_BYTES:
            self._store.take(size - self._stored_bytes)
            self._stored_bytes = size
        self._file.write(data)
        self.size_bytes = size

    def rewind(self) -> IO[bytes]:
        """Return a file to read the body from its beginning. OSError the first time, if the disk has no room for it."""
        self._file.seek(0)
        return self._file

    def parts(self) -> Iterator[bytes]:
        """Read the body in parts of up to 64 KB."""
        file = self.rewind()
        while part := file.read(MEMORY_BYTES):
            yield part

    def close(self) -> None:
        """Remove it; nothing happens the second time."""
        with suppress(OSError):  # a full disk, for what nobody reads
            self._file.close()
        self._store.give_back(self._stored_bytes)
        self._stored_bytes = 0
