"""What a call waits when Redis stalls: `python benchmarks/redis_away.py` (acceptance F19).

One instance that counts the calls of 20 keys in a real Redis, over a connection that is made to deliver nothing for
some seconds, with the timeout that gateways have. The longest wait of a call is to be at most 100 ms.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

from app.gateway.leases import Leases
from app.gateway.limits import Limits
from app.outbound.redis_counts import RedisCounts
from app.security.callers import EVERY, SCOPES, Caller, CallerLimits
from app.settings import Settings
from tests.redis_servers import line_to, redis_server

LONGEST: Final = 0.1
CALLERS: Final = [Caller(f"key:{number}", SCOPES["call"], EVERY) for number in range(20)]


async def waits(limits: Limits, seconds: float) -> list[float]:
    """Count calls of every caller, every 10 ms; gives the seconds that each waited."""
    found: list[float] = []
    ends = time.perf_counter() + seconds

    async def calls(who: Caller) -> None:
        while time.perf_counter() < ends:
            started = time.perf_counter()
            await limits.count(who)
            found.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)

    await asyncio.gather(*map(calls, CALLERS))
    return found


async def main() -> int:
    """Measure, print a table, and give 1 where a call waited too long."""
    timeout = Settings.model_fields["redis_timeout"].default
    with redis_server() as url:
        async with line_to(url) as line:
            counts = RedisCounts(line.url, timeout=timeout)
            limits = Limits(CallerLimits(calls_per_minute=1_000_000), leases=Leases(counts))
            async with counts.following():
                print("| Redis | calls | median µs | longest ms | is asked at the end |\n|---|--:|--:|--:|---|")
                longest = 0.0
                for state, change in (("answers", line.resume), ("stalls", line.stall), ("is back", line.resume)):
                    change()
                    found = sorted(await waits(limits, 4))
                    longest = max(longest, found[-1])
                    median = found[len(found) // 2] * 1e6
                    print(f"| {state} | {len(found):,} | {median:,.0f} | {found[-1] * 1e3:.1f} | {counts.is_up} |")
    return int(longest > LONGEST)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
