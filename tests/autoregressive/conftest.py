"""Which properties of the deep systems belong to the default suite."""

import pytest

from tests.autoregressive.systems import DEEP_SYSTEMS


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Deep networks take long to compile: of each test, the first case of each is default, and the others are slow."""
    seen = set()
    for item in items:
        system = getattr(item, 'callspec', None) and item.callspec.params.get('system')
        if system in DEEP_SYSTEMS:
            test = item.path, item.originalname, system
            if test in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(test)
