"""What every test shares: the asynchronous backend and the Hypothesis profiles."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# `ci` finds the same examples every time, so that a red build is about the change; `nightly` looks for new ones.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("CAUSEWAY_HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every asynchronous test on asyncio, as the service does."""
    return "asyncio"
