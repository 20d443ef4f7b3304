"""A certificate that signs itself: `python -m edgetune.agent.certificate` prints one and its key.

Made by a program of its own, because `cryptography` would take 8 MB of the agent's memory for as long as it runs.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime


def make_certificate() -> tuple[bytes, bytes]:
    """A P-256 certificate and its key, both PEM.

    It is valid for all times: a board without a battery does not know the date, and the host trusts the fingerprint.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edgetune agent")])
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(1970, 1, 2, tzinfo=UTC))
        .not_valid_after(datetime(9999, 12, 31, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


if __name__ == "__main__":
    sys.stdout.buffer.write(b"".join(make_certificate()))
