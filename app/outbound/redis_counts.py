"""Calls of the last minute, counted in Redis by all instances together.

Each subject has a hash of seconds and the calls taken in them, read and written by one script, so that two instances
never give the same place away twice; Redis' clock decides what a minute is. An instance takes some calls at a time, and
gives back what it did not use. Nobody waits for a Redis that does not answer: from the first request that fails until
it answers again, it is not asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_log: Final = logging.getLogger(__name__)

LEASE_SECONDS: Final = 1.0
"""How long calls that were taken may be used."""
_CONNECT_SECONDS: Final = 2.0
_CONNECTIONS: Final = 8
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
# A busy event loop is late for what was answered long ago: so many turns bring an answer that is there to who waits.
_TURNS: Final = 10
_PREFIX: Final = "causeway:calls:"

# A call counts in the second in which it was taken and may be made a lease's time later: it counts for a minute after
# the last moment it can have been made, so that no minute has more calls than are permitted.
_SCRIPT: Final = """
local WINDOW = 62
local key, most, back, taken_in = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local second = tonumber(redis.call('TIME')[1])
if back > 0 and redis.call('HEXISTS', key, taken_in) == 1 then
  redis.call('HINCRBY', key, taken_in, -back)
end
local used, oldest = 0, second
local counts = redis.call('HGETALL', key)
for i = 1, #counts, 2 do
  local at, count = tonumber(counts[i]), tonumber(counts[i + 1])
  if at > second or at + WINDOW <= second or count <= 0 then
    redis.call('HDEL', key, counts[i])
  else
    used, oldest = used + count, math.min(oldest, at)
  end
end
local free = most - used
if free <= 0 then
  return {0, second, oldest + WINDOW - second}
end
local granted = math.max(1, math.floor(math.min(most / 20, free / 4)))
redis.call('HINCRBY', key, second, granted)
redis.call('EXPIRE', key, WINDOW)
return {granted, second, 0}
"""


class Taken(NamedTuple):
    """Calls that may be made within `LEASE_SECONDS`, taken in `second` of Redis' clock.

    Where there are none, one may be free in `wait` seconds.
    """

    calls: int
    second: int
    wait: int


class RedisCounts:
    """Counts in one Redis; made once, on the event loop that uses it."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Count at `url` (redis, rediss or unix); no call waits longer than `timeout` seconds for it."""
        # Loading the client takes memory that only those who have a Redis need.
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as RedisConnectionError
        from redis.exceptions import RedisError

        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=None,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=None,
            # A connection that Redis has closed is found out by using it.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            protocol=2,
            driver_info=None,
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._script = self._redis.register_script(_SCRIPT)
        self._errors: tuple[type[Exception], ...] = (RedisError, OSError, TimeoutError)
        self._timeout = timeout
        self._failed = asyncio.Event()
        self._is_up = False
        self.failures = 0

    @property
    def is_up(self) -> bool:
        """Whether Redis is asked: it answered last time, in time."""
        return self._is_up

    async def take(self, subject: str, most: int, *, back: int = 0, second: int = 0) -> Taken | None:
        """Take some of the `most` calls that `subject` may make in a minute; of 0, none.

        `back` are given back of those that were taken in `second`. None where Redis is not there to tell.
        """
        if not self._is_up:
            return None
        # Who calls may be a person, whose name is nobody's business in Redis.
        key = _PREFIX + hashlib.sha256(subject.encode()).hexdigest()
        try:
            return Taken(*await self._answered(lambda: self._script(keys=[key], args=[most, back, second])))
        except self._errors as error:
            self._fail(error)
            return None

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Find out whether Redis is there, again and again while it is not, as long as the block runs."""
        await self._look()
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._is_up = False
            with contextlib.suppress(*self._errors):
                await self._redis.aclose()

    async def _follow(self) -> None:
        while True:
            pause = _FIRST_PAUSE
            while not self._is_up:
                await asyncio.sleep(pause)
                await self._look()
                pause = min(2 * pause, _LONGEST_PAUSE)
            self._failed.clear()
            await self._failed.wait()

    async def _look(self) -> None:
        """Connect, for which there is time, and see whether an answer comes as fast as calls need it."""
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                # Those of before may lead nowhere, which only waiting would show, for one after the other.
                await self._redis.connection_pool.disconnect(inuse_connections=False)
                await self._redis.ping()
            await self._answered(self._redis.ping)
        except self._errors as error:
            self._fail(error)
            return
        if not self._is_up:
            _log.info("calls are counted in Redis")
        self._is_up = True

    async def _answered(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Give an answer that comes in time; raises `TimeoutError`."""
        asking = asyncio.ensure_future(ask())
        try:
            await asyncio.wait([asking], timeout=self._timeout)
            for _ in range(_TURNS):
                if asking.done():
                    return asking.result()
                await asyncio.sleep(0)
            raise TimeoutError
        finally:
            asking.cancel()

    def _fail(self, error: Exception) -> None:
        if self._is_up or not self.failures:
            # The error's own text may name the URL.
            _log.warning("Redis does not answer (%s): every instance counts by itself", type(error).__name__)
        self.failures += 1
        self._is_up = False
        self._failed.set()
