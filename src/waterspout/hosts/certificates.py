"""TLS of a stand-alone process; every problem with a file is raised as `CannotStart`."""

import getpass
import ssl
import sys

from ..errors import CannotStart


def tls(certfile: str, keyfile: str | None = None) -> ssl.SSLContext:
    """Return a server's TLS context; without a key file, the key is in the certificate's file.

    The terminal asks for the passphrase of an encrypted key.
    """
    for path, what in ((certfile, "a PEM certificate"), (keyfile, "a PEM key")):
        if path is not None:
            _check_readable(path, what)

    def passphrase() -> str:
        if sys.stdin is None or not sys.stdin.isatty():
            raise CannotStart(
                f"cannot use the key {keyfile or certfile!r}: it is encrypted, and there is no terminal to ask for its "
                f"passphrase; decrypt it (openssl pkey -in KEY -out PLAIN), and let only this user read it"
            )
        return getpass.getpass(f"Passphrase of {keyfile or certfile}: ")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certfile, keyfile, passphrase)
    except ssl.SSLError as error:
        raise CannotStart(_refusal(certfile, keyfile, error)) from None
    return context


def _refusal(certfile: str, keyfile: str | None, error: ssl.SSLError) -> str:
    with open(certfile, "rb") as file:
        content = file.read()
    if keyfile is None and b"-----BEGIN CERTIFICATE" in content and b"PRIVATE KEY-----" not in content:
        return f"cannot use the certificate {certfile!r}: its key is not in the same file; name it with --keyfile"
    files = repr(certfile) if keyfile is None else f"{certfile!r} with the key {keyfile!r}"
    what = error.reason or "not PEM"
    return f"cannot use the certificate {files}: {what}; give a PEM certificate and the key that belongs to it"


def _check_readable(path: str, what: str) -> None:
    try:
        with open(path, "rb"):
            return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotStart(f"cannot read {path!r}: {reason}; give {what} that this user may read") from None
