"""Checks that declarations ask for: those of the platform keep the contract; one of another package becomes an asset check."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

import dagster as dg
import pytest

from ml_platform.audit.check import CHECKS
from ml_platform.testing import CheckContract, isolated_registries
from ml_platform_tests.components.declarations.test_declarations import chain
from ml_platform_tests.components.landed_shop import DAYS, landed_shop
from ml_platform_tests.components.shop import tree_of, write_project
from ml_platform_tests.installed import install


def rows(count: int) -> list[dict[str, object]]:
    return [{"x": n} for n in range(count)]


class TestRowsAsUsual(CheckContract):
    name = "rows_as_usual"
    options = MappingProxyType({"least": 0.8})
    good = (rows(10), rows(9), rows(11), rows(9))
    bad = (rows(10), rows(9), rows(11), rows(7))

    def test_the_first_day_has_nothing_to_be_compared_with(self, workspace) -> None:
        assert "nothing to compare" in self.judged(workspace, self.good[:1]).summary


def test_every_check_has_a_contract() -> None:
    assert CHECKS.built_in() == (TestRowsAsUsual.name,)


COUNTRIES = """
from ml_platform.extensions import CheckOutcome


class Countries:
    name = "countries"
    description = "Orders come from few countries."
    layers = ("tables",)
    options = {"most": 2}

    def judge(self, published, options):
        found = published.newest()["country"].n_unique()
        return CheckOutcome("countries", found <= options["most"], "error", f"{found} countries.", numbers={"countries": found})
"""


def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, checks: str) -> dg.Definitions:
    root = write_project(tmp_path / package, package=package, swap=("  key: [order_id]", f"  checks: {checks}\n  key: [order_id]"))
    monkeypatch.syspath_prepend(str(root))
    return tree_of(root).build_defs()


def test_a_check_of_an_installed_package_is_an_asset_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    with isolated_registries():
        install(site, "ext_countries", {"ml_platform.checks": ["countries = ext_countries:Countries"]}, COUNTRIES)
        definitions = _shop(tmp_path, monkeypatch, "checked_shop", "{countries: {most: 1}, rows_as_usual: null}")
        graph = definitions.resolve_asset_graph()
        asked = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
        assert asked >= {
            ("shop/tables/orders", "countries"), ("shop/tables/orders", "rows_as_usual"), ("shop/raw/orders", "rows_as_usual"),
        }  # fmt: skip
        assert ("shop/raw/orders", "countries") not in asked


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ("{rows_as_usul: {}}", r"defs\.yaml:\d+.*check 'rows_as_usul' is not known.*Did you mean 'rows_as_usual'"),
        ("{rows_as_usual: {lest: 1}}", r"check 'rows_as_usual' has no option 'lest'.*Did you mean 'least'"),
    ],
)
def test_a_check_that_cannot_be_asked_for_is_refused(checks: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Exception, match="check") as told:
        _shop(tmp_path, monkeypatch, "wrong_" + "".join(filter(str.isalpha, checks)), checks)
    assert re.search(said, chain(told.value), re.DOTALL)


@pytest.mark.slow
def test_it_runs_after_its_asset_and_says_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swap = ("  key: [order_id]", "  checks: {rows_as_usual: {least: 0.9}}\n  key: [order_id]")
    shop = landed_shop(tmp_path, monkeypatch, swap=swap)
    shop.land(DAYS[:3])
    shop.land(DAYS[3:4], count=5)
    with dg.DagsterInstance.ephemeral() as instance:
        for days, passed, told in ((DAYS[:3], True, "20 rows"), (DAYS[3:4], False, f"{DAYS[3]} has 5 rows")):
            result = shop.run(instance, days=days)
            found = {one.asset_key.path[1]: one for one in result.get_asset_check_evaluations() if one.check_name == "rows_as_usual"}
            assert result.success
            assert {layer: one.passed for layer, one in found.items()} == {"raw": passed, "tables": passed}
            assert told in str(found["tables"].description)
