"""Requests that are sent again are done once: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

A request is claimed in the database before it is done, and its answer kept there after. Whoever claims it has to say
again and again that it is under way, so that one whose process died can be made again soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import secrets
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import CausewayError, TooManyRequestsError
from app.registry.errors import RegistryUnavailable
from app.registry.records import IdempotentRequest, KeptAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.registry import Database
    from app.security.callers import Caller
    from app.security.sealing import SecretKeys

KEPT: Final = timedelta(hours=24)
"""How long an answer is kept."""
MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer, compressed, that are kept; of a larger one it is only kept that it was given."""
MAX_REQUESTS: Final = 10_000
"""Requests of one caller in one namespace that are kept at once."""
CLAIM_SECONDS: Final = 30.0
"""How long a request counts as under way after its process was last heard of."""
_SUCCESSES: Final = range(200, 300)
_log: Final = logging.getLogger(__name__)


class AnswerNotKeptError(CausewayError):
    """The request was done, and what it was answered with was not kept: it is secret, or large."""

    code = "idempotency_answer_not_kept"

    def __init__(self, status: int) -> None:
        """Name the status, and say what to do."""
        super().__init__(
            f"This request was done before and answered with {status}. The answer was not kept, being secret or large: "
            "read what was made, or delete it and make it anew with another Idempotency-Key."
        )


class IdempotentAttempt:
    """One try at a request: what it was answered with before, if it was; `keep` what it is answered with now."""

    def __init__(self, kept: KeptAnswer | None = None) -> None:
        """Start without an answer of now."""
        self.kept = kept
        self.answer: KeptAnswer | None = None

    def keep(self, answer: KeptAnswer, *, is_secret: bool) -> None:
        """Have an answer kept; of one that is secret, only that it was given."""
        body = None if is_secret or answer.body is None else zlib.compress(answer.body)
        self.answer = replace(answer, body=None if body is None or len(body) > MAX_ANSWER else body)


class Idempotency:
    """The requests with an idempotency key, of every instance."""

    def __init__(self, database: Database, keys: SecretKeys, *, claim_seconds: float = CLAIM_SECONDS) -> None:
        """Keep them in `database`; fingerprints are made with `keys`, because requests hold secrets."""
        self._database = database
        self._keys = keys
        self._seconds = claim_seconds

    def request(self, by: Caller, key: str, *, namespace: str, content: bytes) -> IdempotentRequest:
        """Describe a request of a caller; two are the same where `content` is.

        Of a caller who may do less than before nothing is known: what they repeat is checked anew.
        """
        reach = [sorted(each) for each in (by.permissions, by.namespaces, by.servers, by.tools)]
        owner = hashlib.sha256(json.dumps([by.subject, namespace, *reach]).encode()).hexdigest()
        return IdempotentRequest(owner, key, namespace, self._keys.fingerprint(content, owner))

    @contextlib.asynccontextmanager
    async def attempt(self, request: IdempotentRequest) -> AsyncIterator[IdempotentAttempt]:
        """Claim a request while the block does it, or give what it was answered with.

        A refusal changed nothing, and a block that raises is taken to have changed nothing: the key is free again.

        Raises:
            IdempotencyKeyReused, IdempotentRequestRunning, AnswerNotKeptError, TooManyRequestsError: as they say.
            RegistryUnavailable: where the database is away, and nothing was done.

        """
        claim = secrets.token_hex(16)
        kept = await self._claimed(request, claim)
        if kept is not None:
            yield IdempotentAttempt(kept)
            return
        attempt = IdempotentAttempt()
        extending = asyncio.ensure_future(self._extend(request, claim))
        try:
            yield attempt
        except Exception:
            await self._finish(request, claim, None)
            raise
        else:
            await self._finish(request, claim, attempt.answer)
        finally:
            extending.cancel()

    async def _claimed(self, request: IdempotentRequest, claim: str) -> KeptAnswer | None:
        now = datetime.now(UTC)
        until = now + timedelta(seconds=self._seconds)
        async with self._database.transaction(is_change=False) as registry:
            kept = await registry.idempotency_keys.claim(request, claim=claim, until=until, expires_at=now + KEPT)
            if kept is None and await registry.idempotency_keys.count(request.owner) > MAX_REQUESTS:
                message = f"More than {MAX_REQUESTS:,} requests with an Idempotency-Key are kept for a day: send none."
                raise TooManyRequestsError(message, retry_after=3600)
        if kept is not None and kept.body is None:
            raise AnswerNotKeptError(kept.status)
        return None if kept is None else replace(kept, body=zlib.decompress(kept.body or b""))

    async def _extend(self, request: IdempotentRequest, claim: str) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(RegistryUnavailable):
                async with self._database.transaction(is_change=False) as registry:
                    await registry.idempotency_keys.extend(request, claim=claim, seconds=self._seconds)

    async def _finish(self, request: IdempotentRequest, claim: str, answer: KeptAnswer | None) -> None:
        """Keep an answer of a success, or give the claim up. What was done stays done where the database is away."""
        try:
            async with self._database.transaction(is_change=False) as registry:
                if answer is not None and answer.status in _SUCCESSES:
                    await registry.idempotency_keys.keep(request, claim=claim, answer=answer)
                else:
                    await registry.idempotency_keys.release(request, claim=claim)
        except RegistryUnavailable:
            _log.warning("the answer to a request with an idempotency key could not be kept")
