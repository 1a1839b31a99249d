import pytest

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.tables.declared.python_file import check_function, load_function


def write(folder, text):
    (folder / "feed.py").write_text(text)
    return folder


def test_a_function_is_found_without_being_run(tmp_path):
    write(tmp_path, "raise SystemExit\n\ndef fetch(day):\n    return None\n")
    check_function(tmp_path, "feed.py", "fetch", "defs.yaml")


def test_an_edited_file_gives_the_new_function(tmp_path):
    assert load_function(write(tmp_path, "def fetch(day):\n    return 1\n"), "feed.py", "fetch", "w")(None) == 1
    assert load_function(write(tmp_path, "def fetch(day):\n    return 2\n"), "feed.py", "fetch", "w")(None) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def fech(day): ...", "defines no function 'fetch'.*Did you mean 'fech'"),
        ("def fetch(day:", "is not Python"),
        ("def fetch(day): ...\nimport no_such_module", "cannot be imported: ModuleNotFoundError"),
        ("fetch = 3", "is not a function"),
    ],
)
def test_what_is_no_function_is_refused(tmp_path, text, message):
    with pytest.raises(DeclarationError, match=message):
        load_function(write(tmp_path, text), "feed.py", "fetch", "defs.yaml")


def test_a_file_that_is_not_there(tmp_path):
    write(tmp_path, "")
    with pytest.raises(UnknownNameError, match=r"defs.yaml: there is no Python file .*Did you mean 'feed.py'"):
        check_function(tmp_path, "feeds.py", "fetch", "defs.yaml")
