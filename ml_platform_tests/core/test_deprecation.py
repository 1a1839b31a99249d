import pytest

from ml_platform.core.deprecation import Deprecated, warn_deprecated


def test_the_warning_points_at_the_caller_of_what_is_deprecated() -> None:
    def old_door() -> None:
        warn_deprecated("old_door()", Deprecated("new_door()", since="1.2", removed_in="1.4"))

    with pytest.warns(DeprecationWarning, match=r"^old_door\(\) is deprecated since 1\.2 and goes in 1\.4\. Use new_door\(\)\.$") as seen:
        old_door()
    assert seen[0].filename == __file__
