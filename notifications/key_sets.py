"""Key sets (JWKS, RFC 7517): the public keys of whoever signs the tokens, from an address or a file, kept in memory.

Tokens are judged by what is in memory. It is fetched anew when it has become old, and when a token names a key that is
not there: by one request for all who wait, never twice within the cool-down, whoever sends such tokens. While the
source is away, or answers nonsense, the keys it gave last stay good, and nobody who names one of them waits for it.
"""

import asyncio
import json
import logging
import time
from http.client import HTTPException
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener, url2pathname

from jwt import PyJWK, PyJWKClientError, PyJWKSet, PyJWTError, get_unverified_header

from notifications.gather import GatherPerLoop

logger = logging.getLogger(__name__)

# After so long the source is asked again: a key that was withdrawn there ends here.
FRESH_SECONDS = 300.0
# From the end of one request to the next, whether it was answered or not: a new key works within so long.
COOLDOWN_SECONDS = 10.0
# A source that does not answer holds up nobody for longer.
TIMEOUT_SECONDS = 5.0
# Some hundred keys; a set has two or three.
MAX_BYTES = 256 * 1024


class KeySet:
    """The keys at `url`: http(s), or `file:///...`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._file = Path(url2pathname(parts.path)) if parts.scheme == "file" else None
        self._keys: dict[str, PyJWK] = {}
        self._read_at = self._asked_at = float("-inf")
        # When it was last asked. Then nobody who can do without waits for it.
        self._failing = False
        self._asking = Lock()
        self._background: Thread | None = None
        self._together = GatherPerLoop(self._refresh_for, seconds=lambda: 0.0)

    def get_signing_key_from_jwt(self, raw: str | bytes) -> PyJWK:
        """The key that a token names, as simplejwt asks for it. Never blocks.

        Raises `PyJWKClientError` where there is no such key in memory; `prepare` or `aprepare` come first.
        """
        key = self._keys.get(kid_of(raw) or "")
        if key is None:
            raise PyJWKClientError("no such key")
        return key

    def prepare(self, kid: str | None) -> None:
        """Fetch the set if a token that names this key needs it. Blocks, for `TIMEOUT_SECONDS` at most."""
        if not self._due(kid):
            return
        if self._failing and kid in self._keys:
            self._refresh_in_background()
        else:
            self.refresh()

    async def aprepare(self, kid: str | None) -> None:
        """`prepare` without blocking the event loop; those who come meanwhile wait for the same request."""
        if not self._due(kid):
            return
        if self._failing and kid in self._keys:
            self._refresh_in_background()
            return
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._together(None)
        except TimeoutError:
            logger.debug("the keys at %s did not come in time", self._url)

    def refresh(self) -> None:
        """Fetch the set unless that was done just now. What goes wrong is logged, and leaves the keys as they are."""
        if not self._asking.acquire(timeout=TIMEOUT_SECONDS):
            return
        try:
            if self._cooling():
                return
            try:
                self._keys = _usable(_read(self._file) if self._file is not None else _fetch(self._url))
                self._read_at = time.monotonic()
                self._failing = False
            except (PyJWTError, ValueError, OSError, HTTPException, RecursionError) as error:
                # Also an answer that is no JSON, or holds no key.
                self._failing = True
                logger.warning("the keys at %s could not be fetched (%s)", self._url, type(error).__name__)
            self._asked_at = time.monotonic()
        finally:
            self._asking.release()

    async def _refresh_for(self, askers: list[None]) -> dict[None, None]:
        await asyncio.to_thread(self.refresh)
        return dict.fromkeys(askers)

    def _refresh_in_background(self) -> None:
        if self._background is None or not self._background.is_alive():
            self._background = Thread(target=self.refresh, name="notifications-keys", daemon=True)
            self._background.start()

    def _due(self, kid: str | None) -> bool:
        """Whether to ask the source: the key is unknown, or the set is old; and it was not asked just now."""
        if kid is None or self._cooling():
            return False
        return kid not in self._keys or time.monotonic() - self._read_at >= FRESH_SECONDS

    def _cooling(self) -> bool:
        return time.monotonic() - self._asked_at < COOLDOWN_SECONDS


def kid_of(raw: str | bytes) -> str | None:
    """The key that a token names in its header, which nobody has checked; None where there is none, or no token."""
    try:
        kid = get_unverified_header(raw).get("kid")
    # As for the tokens themselves: odd headers overflow, recurse or give type errors.
    except (ValueError, TypeError, OverflowError, RecursionError, AttributeError, PyJWTError):
        return None
    return kid if isinstance(kid, str) else None


def _usable(document: bytes) -> dict[str, PyJWK]:
    """The keys for signatures by their ids; raises `ValueError` or `PyJWTError` where there is none."""
    value: Any = json.loads(document)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    keys = {
        key.key_id: key
        for key in PyJWKSet.from_dict(value).keys
        if key.key_id is not None and key.public_key_use in ("sig", None)
    }
    if not keys:
        raise ValueError("no key that signs")
    return keys


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return _bounded(opened.read(MAX_BYTES + 1))


class _NoRedirects(HTTPRedirectHandler):
    """The operator has named this address and no other."""

    def redirect_request(self, *_: Any) -> None:
        """Do not follow: it is an error like any other status."""


def _fetch(url: str) -> bytes:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    body = b""
    # The checks of the settings let nothing in but http(s) and files.
    with build_opener(_NoRedirects).open(Request(url), timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        while piece := response.read1(MAX_BYTES):
            body = _bounded(body + piece)
            if time.monotonic() > deadline:
                raise TimeoutError("the keys come too slowly")
    return body


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BYTES:
        raise ValueError("too large for a key set")
    return body
