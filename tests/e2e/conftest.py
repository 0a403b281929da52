from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.backends import Backend, running_backend
from tests.e2e.gateways import Gateway, started_gateway


@pytest.fixture(scope="module")
def gateway_settings() -> Mapping[str, str]:
    """Give the environment of the module's gateway; a module that wants another one overrides this."""
    return {}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, gateway_settings: Mapping[str, str]) -> Iterator[Gateway]:
    """Run one gateway for all tests of a module."""
    with started_gateway(tmp_path_factory.mktemp("gateway"), settings=gateway_settings) as started:
        yield started


@pytest.fixture(scope="module")
def module_backend() -> Iterator[Backend]:
    with running_backend() as running:
        yield running


@pytest.fixture
def backend(module_backend: Backend) -> Backend:
    """Give a recording API that has received nothing yet."""
    module_backend.reset()
    return module_backend
