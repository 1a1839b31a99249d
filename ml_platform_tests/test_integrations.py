"""The pinned versions leave room for what others install beside the wheel, on every Python that we name."""

from __future__ import annotations

import tomllib

import pytest

from ml_platform_tests.integrations import INTEGRATIONS, PYTHONS, ROOT, NoIndexError, normal, pins, resolve


def test_users_are_given_no_pin_of_what_only_developers_need():
    """A pin in the wrong file walls its users in: it decides the versions of everything beside the wheel."""
    users, developers = pins("constraints.txt"), pins("constraints-dev.txt")
    assert not set(users) & set(developers)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {normal(requirement.partition("[")[0].partition(">")[0].partition("=")[0].strip()) for requirement in project["dependencies"]}
    assert names <= set(users)
    assert {"pytest", "ruff", "hypothesis", "pathspec", "boto3"} <= set(developers)


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_all_integrations_resolve_together_beside_the_pinned_versions(python: str):
    try:
        found = resolve(INTEGRATIONS, python)
    except NoIndexError as error:
        pytest.skip(f"the package index does not answer: {error}")
    assert not found.refused, "`make integrations` says which one does not fit"
    users = pins("constraints.txt")
    assert all(found.versions[name] in versions for name, versions in users.items() if name in found.versions)


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_of_the_wheel_and_of_the_tests_is_pinned(python: str):
    try:
        wheel = resolve([], python, extras="postgres,s3,delta,openlineage,dask")
        all_of_it = resolve([], python, constraints="constraints-dev.txt", extras="examples,dev")
    except NoIndexError as error:
        pytest.skip(f"the package index does not answer: {error}")
    assert set(wheel.versions) <= {*pins("constraints.txt"), "ml-platform"}
    assert set(all_of_it.versions) <= {*pins("constraints.txt"), *pins("constraints-dev.txt"), "ml-platform"}
