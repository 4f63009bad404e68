"""`manage.py issue_token`."""

import time
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import User

from notifications import tokens
from tests.management.calling import refused, run, run_json
from tests.servers.node import Platform

pytestmark = pytest.mark.django_db


def test_issue_token_is_an_access_token(alice: User) -> None:
    """Good for as long as was said, for that uid."""
    issued = run_json("issue_token", str(alice.pk), "--minutes", "5")
    assert list(issued) == ["uid", "token", "expires_at"]
    claims = tokens.verify(issued["token"])
    assert claims.uid == issued["uid"] == str(alice.pk)
    assert abs(claims.expires_at - time.time() - 300) < 30
    assert abs(datetime.fromisoformat(issued["expires_at"]).timestamp() - claims.expires_at) < 2


def test_issue_token_for_a_shell(alice: User) -> None:
    """Stdout holds the token alone; an hour unless said otherwise."""
    token, remark = run("issue_token", str(alice.pk))
    assert abs(tokens.verify(token).expires_at - time.time() - 3600) < 30
    assert remark.startswith("Good until ")


def test_issue_token_of_nobody_is_remarked_on() -> None:
    """It is made, for a test of the refusal may want it."""
    token, remark = run("issue_token", "nobody", "--minutes", "0.5")
    assert tokens.verify(token).uid == "nobody"
    assert "No active user has the uid nobody." in remark


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "much", "inf", "527041"])
def test_issue_token_refuses_a_bad_life(minutes: str) -> None:
    """More than nothing, at most a year."""
    assert "--minutes" in refused("issue_token", "7", f"--minutes={minutes}", status=2)


def test_issue_token_without_a_key_to_sign_with(settings: Any) -> None:
    """There is nothing to sign with."""
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"SIGNING_KEY": ""}
    assert "signing key" in refused("issue_token", "7", status=1)


@pytest.mark.server
def test_issue_token_where_tokens_are_only_verified(sqlite_url: str) -> None:
    """A node with nothing but a public key says so."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    verifier = Platform(sqlite_url, jwt_signing_key="", extra={"JWT_PUBLIC_KEY": pem})
    failed = verifier.manage("issue_token", "7", check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "CommandError: there is no signing key here: this platform only verifies tokens\n"
