import pytest

from ml_platform.core.errors import LakeError, UnknownCommitError
from ml_platform_tests.lake.writer import numbers

A = "p/tables/a"


def first(lake, at):
    return lake.read(A, at=at).arrow().column("n")[0].as_py()


def test_a_tag_names_a_state_for_good(lake):
    lake.writing.publish([lake.writing.stage(A, None, numbers(1))])
    tag = lake.tag("audit-2013", message="as shown to the auditors")
    lake.writing.publish([lake.writing.stage(A, None, numbers(2))])
    assert (first(lake, "audit-2013"), first(lake, None)) == (1, 2)
    assert lake.tags.all() == [tag]
    assert (tag.commit, tag.branch, tag.message) == (1, "main", "as shown to the auditors")
    with pytest.raises(LakeError, match="'audit-2013' names commit 1 already, and a tag never moves"):
        lake.tag("audit-2013")
    lake.tag("second", at=2)
    lake.tags.drop("audit-2013")
    with pytest.raises(UnknownCommitError, match=r"no tag 'audit-2013'\. What exists: second"):
        first(lake, "audit-2013")


def test_a_tag_of_a_branch_says_which(lake):
    lake.writing.publish([lake.writing.stage(A, None, numbers(1))])
    lake.branches.create("dev")
    dev = lake.on("dev")
    dev.writing.publish([dev.writing.stage(A, None, numbers(5))])
    assert dev.tag("candidate").branch == "dev"
    assert (first(dev, "candidate"), first(lake, "candidate")) == (5, 1)


@pytest.mark.parametrize("name", ["", "2013", "a b", "a/b", "a..b", None])
def test_names_that_a_tag_cannot_have(lake, name):
    lake.writing.publish([lake.writing.stage(A, None, numbers(1))])
    with pytest.raises(LakeError, match="cannot be a tag"):
        lake.tag(name)


def test_nothing_to_name_and_nothing_to_drop(lake):
    with pytest.raises(LakeError, match="no commit to name 'early'"):
        lake.tag("early")
    with pytest.raises(UnknownCommitError, match="no tag 'early'"):
        lake.tags.drop("early")
