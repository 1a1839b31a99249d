import logging

import pytest

from ml_platform.lake.ledger.repeating import CutWhileReadingError, repeatable


def test_a_question_that_was_cut_is_asked_once_more_and_the_log_says_so(caplog):
    asked = []

    @repeatable
    def rows_of(tables):
        asked.append(list(tables))
        if len(asked) == 1:
            raise CutWhileReadingError("the server closed the connection")
        return asked[-1]

    with caplog.at_level(logging.WARNING, "ml_platform"):
        assert rows_of(iter(["a", "b"])) == ["a", "b"]
    assert asked == [["a", "b"]] * 2
    (told,) = caplog.records
    assert (told.name, told.levelname) == ("ml_platform.lake.ledger.repeating", "WARNING")
    assert told.getMessage() == "The question 'rows_of' is asked once more, from the beginning. the server closed the connection"


def test_the_second_time_the_error_is_the_answer():
    @repeatable
    def never():
        raise CutWhileReadingError("the server closed the connection")

    with pytest.raises(CutWhileReadingError, match="closed the connection"):
        never()
