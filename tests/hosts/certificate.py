"""A certificate for tests over TLS, made when the first of them asks for it."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from missing import missing


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1, as both ends use it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def make_certificate(folder: Path) -> Certificate:
    """Make one with openssl; without it the test is skipped."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl is missing: no certificate can be made")
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, "req", *options.split(), *subject], cwd=folder, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return Certificate(server, ssl.create_default_context(cafile=folder / "cert.pem"))
