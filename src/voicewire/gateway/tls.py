"""A certificate of our own, for clients that speak nothing but TLS (google-genai among them)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from voicewire.errors import ConfigError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CERTIFICATE_FILE = "voicewire-cert.pem"
KEY_FILE = "voicewire-key.pem"
_VALID_FOR = timedelta(days=365)
_RENEWED_BEFORE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate and its key, as PEM files."""

    certificate: Path
    """Not a secret; clients must be told to trust it, for example by ``SSL_CERT_FILE``."""
    key: Path


def self_signed(folder: str | Path, host: str = "127.0.0.1") -> TlsFiles:
    """The self-signed certificate in a folder; made when there is none for this host, or when it is about to expire.

    Args:
        folder: Made if it is missing. The key is readable by its owner only.
        host: Name or address that clients use, besides ``localhost``, ``127.0.0.1`` and ``::1``.

    Raises:
        ConfigError: The folder cannot be written, or the package that makes certificates is not installed.
    """
    try:
        from cryptography import x509
    except ImportError as error:
        raise ConfigError(
            "a certificate cannot be made without the package 'cryptography'; "
            "run `pip install 'voicewire[gateway]'`"
        ) from error
    place = Path(folder).expanduser()
    files = TlsFiles(place / CERTIFICATE_FILE, place / KEY_FILE)
    now = datetime.now(timezone.utc)
    try:
        if files.key.exists() and files.certificate.exists():
            try:
                known = x509.load_pem_x509_certificate(files.certificate.read_bytes())
            except ValueError:
                known = None
            if known is not None and _is_good(known, host, now):
                return files
        place.mkdir(parents=True, exist_ok=True)
        _write(files, host, now)
    except OSError as error:
        raise ConfigError(
            f"cannot keep a certificate in {str(place)!r}: {error.strerror or error}; give another folder"
        ) from error
    return files


def _names(host: str) -> list[x509.GeneralName]:
    from cryptography import x509

    def named(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return [named(name) for name in dict.fromkeys(("localhost", "127.0.0.1", "::1", host.strip("[]")))]


def _is_good(certificate: x509.Certificate, host: str, now: datetime) -> bool:
    from cryptography import x509

    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    is_fresh = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEWED_BEFORE
    return is_fresh and set(_names(host)) <= set(listed)


def _write(files: TlsFiles, host: str, now: datetime) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key: EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voicewire self-signed")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        # Not an authority: whoever trusts it trusts this one server, not what its key could sign.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    files.key.unlink(missing_ok=True)
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
