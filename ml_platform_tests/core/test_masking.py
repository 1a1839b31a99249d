"""Secrets of the environment are masked as it is now, though what they are is worked out once per environment."""

from __future__ import annotations

import pytest

from ml_platform.core.masking import mask


def test_a_secret_that_is_set_or_changed_later_is_masked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "row 7: first-of-all, then second/of all, and orders"
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    assert mask(said) == said
    monkeypatch.setenv("SHOP_TOKEN", "first-of-all")
    assert mask(said) == "row 7: ***, then second/of all, and orders"
    monkeypatch.setenv("SHOP_TOKEN", "second/of all")
    assert mask(said) == "row 7: first-of-all, then ***, and orders"
    assert mask("at second%2Fof%20all") == "at ***", "as it stands in a URL"
    monkeypatch.delenv("SHOP_TOKEN")
    assert mask(said) == said
