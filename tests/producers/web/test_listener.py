"""Sockets that listen: sharing a port, room for files, TLS."""

from __future__ import annotations

import asyncio
import datetime
import os
import resource
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dispatcher.errors import ConfigError
from producers.web.listener import tls_context
from producers.web.server import WebServer
from tests.producers.web.web_clients import GET, OK, Client, Keeper, serving, until


def certificate(folder: Path, *, password: bytes | None = None) -> tuple[str, str]:
    """A certificate of 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


async def _tls(folder: Path) -> None:
    files = certificate(folder)
    handler = Keeper(1_000, 10.0)
    server = handler.server = WebServer(handler.handle, tls=tls_context(*files))
    port = await server.listen("127.0.0.1", 0)
    trusting = ssl.create_default_context(cafile=files[0])
    client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="localhost"))
    client.send(GET + GET)
    await client.gets(OK + OK)
    plain = Client(*await asyncio.open_connection("127.0.0.1", port))
    plain.send(GET)
    assert b"200" not in await plain.rest()
    await until(lambda: server.counts.no_handshake == 1)
    client.send(GET)
    await client.gets(OK)
    client.writer.close()
    plain.writer.close()
    await until(lambda: server.counts.open == 0)
    await server.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_tls_is_spoken_with_the_certificate_and_nothing_else(tmp_path, run):
    run(_tls(tmp_path))
    assert tls_context(*certificate(tmp_path)).minimum_version is ssl.TLSVersion.TLSv1_2


def test_files_that_are_no_certificate_are_said_in_a_sentence(tmp_path):
    cert, key = certificate(tmp_path)
    with pytest.raises(ConfigError, match=r"\[web\].*missing\.pem cannot be read"):
        tls_context(str(tmp_path / "missing.pem"), key)
    with pytest.raises(ConfigError, match=r"\[web\] certificate .* are not a certificate and its key"):
        tls_context(key, key)
    cert, key = certificate(tmp_path, password=b"secret")
    with pytest.raises(ConfigError, match="no password"):
        tls_context(cert, key)


async def test_two_servers_share_a_port_if_both_want_to():
    handlers = [Keeper(1_000, 10.0) for _ in range(2)]
    servers = [WebServer(handler.handle) for handler in handlers]
    port = await servers[0].listen("127.0.0.1", 0, share_port=True)
    assert await servers[1].listen("127.0.0.1", port, share_port=True) == port
    with pytest.raises(OSError, match="in use"):
        await WebServer(handlers[0].handle).listen("127.0.0.1", port)
    for handler, server in zip(handlers, servers, strict=True):
        handler.server = server
    clients = []
    for _ in range(64):
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        clients[-1].send(GET)
        await clients[-1].gets(OK)
    assert all(handler.seen.count("whole") > 4 for handler in handlers)
    for client in clients:
        client.writer.close()
    for server in servers:
        await server.close()


async def test_without_free_files_the_server_waits_and_continues():
    async with serving() as (_, server, client):
        vendor = await client()
        vendor.send(GET)
        await vendor.gets(OK)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        open_files = len(os.listdir("/proc/self/fd"))
        try:
            late = await client()
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, hard))
            late.send(GET)
            starved = asyncio.create_task(_connected(server))
            await until(lambda: server.counts.out_of_files > 0 or starved.done())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        vendor.send(GET)
        await vendor.gets(OK)
        await late.gets(OK)
        starved.cancel()


async def _connected(server: WebServer) -> None:
    await until(lambda: server.counts.accepted >= 2)


RAISES = """
import resource, sys
from producers.web.listener import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (256, int(sys.argv[1])))
print(raise_file_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_the_limit_on_files_is_raised_to_what_is_allowed():
    done = subprocess.run([sys.executable, "-c", RAISES, "1000"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1000", "1000"]
