"""The authorities that `DB_CA=rds` means are Amazon's, good for long, and usable."""

import ssl
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common.database import RDS_AUTHORITIES
from tests.architecture.rds_authorities import LEFT, certificates, is_rds, is_root, page

TEXT = RDS_AUTHORITIES.read_text(encoding="utf-8")
RDS_NAME = "Amazon RDS us-east-1 Root CA RSA2048 G1"


def made(subject: str, days: int = 9999, issuer: str | None = None) -> x509.Certificate:
    """An authority's certificate for this name, by itself or by another."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer or subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_each_is_a_root_of_amazon_rds_that_lasts_for_more_than_a_year() -> None:
    found = certificates(TEXT)

    # Three kinds of key for each region
    assert len(found) == len(set(found)) == 81
    for one in found:
        assert is_root(one), one.subject
        assert is_rds(one), one.subject
        # If not: python -m tests.architecture.rds_authorities, with Amazon's bundle of today
        assert one.not_valid_after_utc > datetime.now(UTC) + LEFT, one.subject


def test_the_file_is_what_its_maker_writes() -> None:
    assert page(certificates(TEXT), datetime.now(UTC)) == TEXT


def test_the_drivers_context_takes_them_all() -> None:
    context = ssl.create_default_context(cafile=str(RDS_AUTHORITIES))

    assert context.cert_store_stats() == {"x509": 81, "crl": 0, "x509_ca": 81}


def test_the_maker_leaves_out_what_is_no_lasting_root_of_rds() -> None:
    good = made(RDS_NAME)
    others = [
        made(RDS_NAME, days=364),
        made(RDS_NAME, issuer="Amazon RDS us-east-1 Root CA RSA4096 G1"),
        made("Amazon RDS Beta us-east-1 Root CA RSA2048 G1"),  # no authority of production
        made("Amazon Root CA 1"),
    ]

    written = page([*others, good, good], datetime.now(UTC))

    assert certificates(written) == [good]


def test_the_maker_reads_javascript_as_well() -> None:
    good = made(RDS_NAME)
    lines = [f"'{line}\\n'" for line in pem(good).splitlines()]

    assert certificates("exports.defaults = [\n" + " +\n    ".join(lines) + ",\n];") == [good]
