"""A store on each database that there is here."""

import pytest

from domlora.store.store import Store
from tests.helpers.stores import empty_store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, home):
    return empty_store(request.param)


@pytest.fixture
def store(url):
    opened = Store(url)
    yield opened
    opened.close()
