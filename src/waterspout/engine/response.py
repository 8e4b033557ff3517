"""The answer to an HTTP request, as a value."""

from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Response:
    """A complete HTTP answer; the host adds its length."""

    status: int
    headers: Headers = ()
    body: bytes = b""
