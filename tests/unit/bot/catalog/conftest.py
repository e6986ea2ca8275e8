"""Catalogues: the built-in one, and one with every option."""

from __future__ import annotations

import pytest

from bot.catalog.catalog import Catalog
from tests.support.catalog_files import EVERYTHING, KINDS, write_file


@pytest.fixture
def built_in_catalog() -> Catalog:
    return Catalog.load(None, KINDS)


@pytest.fixture(scope="module")
def own_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.load(write_file(tmp_path_factory.mktemp("own"), EVERYTHING), KINDS)
