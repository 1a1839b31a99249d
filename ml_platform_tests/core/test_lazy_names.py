import warnings
from types import ModuleType

import pytest

from ml_platform.core.deprecation import Deprecated
from ml_platform.core.lazy_names import lazy_names


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("a_public_module")
    monkeypatch.setitem(__import__("sys").modules, made.__name__, made)
    was = {"hash_of": Deprecated("a_public_module.content_hash", since="0.2", removed_in="0.4")}
    homes = {"content_hash": "ml_platform.core.hashing"}
    made.__getattr__, made.__dir__ = lazy_names(made.__name__, homes, was)  # type: ignore[method-assign]
    return made


def test_a_name_is_loaded_from_its_home(module: ModuleType) -> None:
    from ml_platform.core.hashing import content_hash

    assert module.content_hash is content_hash


def test_a_deprecated_name_works_and_says_what_to_use_and_where_it_was_used(module: ModuleType) -> None:
    with pytest.warns(
        DeprecationWarning,
        match=r"^a_public_module\.hash_of is deprecated since 0\.2 and goes in 0\.4\. Use a_public_module\.content_hash\.$",
    ) as seen:
        found = module.hash_of
    assert found is module.content_hash
    assert seen[0].filename == __file__


def test_a_deprecated_name_is_not_offered(module: ModuleType) -> None:
    assert "content_hash" in dir(module)
    assert "hash_of" not in dir(module)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dir(module)


def test_another_name_is_an_attribute_error(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'a_public_module' has no attribute 'nonsense'"):
        _ = module.nonsense
