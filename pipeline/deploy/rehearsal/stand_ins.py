"""What leads a Google client to a loopback server: a certificate, a key file, a proxy."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_CHUNK_BYTES = 1 << 16


def write_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate of its own authority for the host, and its key; valid for a day."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehearsal")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(_pem(key))
    return paths


def write_credentials(folder: Path) -> Path:
    """A service account's key file with a fresh key, which no account has."""
    path = folder / "credentials.json"
    key = _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    content = {
        "type": "service_account",
        "project_id": "rehearsal",
        "private_key_id": "0",
        "private_key": key.decode(),
        "client_email": "rehearsal@rehearsal.invalid",
        "client_id": "0",
        "token_uri": "https://rehearsal.invalid/token",
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Proxy:
    """An HTTP proxy that connects one address, `host:port`, to a port of this machine."""

    def __init__(self, address: str, target_port: int):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode("latin-1").split()
                while self.rfile.readline().strip():
                    pass
                if len(line) < 2 or line[0] != "CONNECT" or line[1] != address:
                    self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                    return
                with socket.create_connection(("127.0.0.1", target_port)) as other:
                    self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                    back = threading.Thread(target=_copy, args=(other, self.connection))
                    back.start()
                    _copy(self.connection, other)
                    back.join()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Hands on what comes, until the source ends or the sink is gone."""
    try:
        while chunk := source.recv(_CHUNK_BYTES):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
