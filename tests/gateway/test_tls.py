"""The self-signed certificate: made once, kept, renewed, and trusted by who is told to."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from voicewire.errors import ConfigError
from voicewire.gateway.tls import self_signed
from voicewire.testing import serve

pytestmark = pytest.mark.loopback


def test_it_is_made_once(tmp_path: Path) -> None:
    files = self_signed(tmp_path / "new")
    first = files.certificate.read_bytes()
    assert self_signed(tmp_path / "new").certificate.read_bytes() == first
    assert files.key.stat().st_mode & 0o077 == 0
    names = (
        x509.load_pem_x509_certificate(first)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(name) for name in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_it_is_made_anew_for_another_host_and_when_it_is_damaged(tmp_path: Path) -> None:
    files = self_signed(tmp_path)
    first = files.certificate.read_bytes()
    second = self_signed(tmp_path, "voice.example").certificate.read_bytes()
    assert second != first
    assert self_signed(tmp_path).certificate.read_bytes() == second, "it is good for this machine too"
    files.certificate.write_text("damaged")
    assert self_signed(tmp_path).certificate.read_bytes().startswith(b"-----BEGIN CERTIFICATE")


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="another folder"):
        self_signed(tmp_path / "file" / "folder")


@pytest.mark.anyio
async def test_only_who_trusts_it_gets_in(tmp_path: Path) -> None:
    files = self_signed(tmp_path)
    async with serve("echo", tls=files) as gateway:
        assert gateway.http_url.startswith("https://127.0.0.1:")
        assert gateway.ws_url.startswith("wss://127.0.0.1:")
        trust = ssl.create_default_context(cafile=files.certificate)
        trust.verify_flags |= ssl.VERIFY_X509_STRICT
        async with httpx.AsyncClient(verify=trust) as client:
            assert (await client.get(f"{gateway.http_url}/healthz")).json() == {"status": "ok"}
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                await client.get(f"{gateway.http_url}/healthz")
