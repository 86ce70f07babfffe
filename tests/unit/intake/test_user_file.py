"""The file of users: read, changed row by row, and never half."""

import fcntl
import os
import stat

import pytest

from relay.errors import BadInput, MachineFailure
from relay.intake.access.password import Cost, hashed
from relay.intake.access.user_file import MAX_USERS, parse_users, read_users, remove_user, set_user

CHEAP = Cost(n=1024, r=8, p=1)


def hash_of(password):
    return hashed(password.encode(), salt=b"0123456789abcdef", cost=CHEAP)


ONE, TWO, NEW = hash_of("one"), hash_of("two"), hash_of("new")
WRITTEN = f"""\
# the marketplace
market: "{ONE}"  # since spring

shop@example.jp: {TWO}
"""


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "users.yaml"
    made.touch(mode=0o640)
    made.chmod(0o640)
    made.write_text(WRITTEN, encoding="utf-8")
    return made


def test_the_users_of_a_file(path):
    """Names and hashes, quoted or not; an empty file has none."""
    assert read_users(path) == {"market": ONE, "shop@example.jp": TWO}
    assert parse_users(b"", file="users.yaml") == {}
    assert parse_users(b"# nobody yet\n", file="users.yaml") == {}


def test_a_change_leaves_every_other_row_alone(path):
    """A new password in its row, a new user behind the others, one struck: comments and mode stay."""
    assert set_user(path, "shop@example.jp", NEW) is False
    assert set_user(path, "third", ONE) is True
    rows = WRITTEN.replace(f"shop@example.jp: {TWO}", f'shop@example.jp: "{NEW}"')
    assert path.read_text(encoding="utf-8") == rows + f'third: "{ONE}"\n'
    assert remove_user(path, "market") is True
    assert remove_user(path, "market") is False
    left = f'# the marketplace\n\nshop@example.jp: "{NEW}"\nthird: "{ONE}"\n'
    assert path.read_text(encoding="utf-8") == left
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(each.name for each in path.parent.iterdir()) == ["users.yaml"]


def test_a_new_file_is_private(tmp_path):
    """The first user makes the file, readable by its owner only, whatever the umask."""
    path = tmp_path / "users.yaml"
    before = os.umask(0)
    try:
        assert set_user(path, "market", ONE) is True
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_users(path) == {"market": ONE}


def test_a_link_stays_a_link(path, tmp_path):
    """The file that the link leads to is changed, in its own folder."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    link = other / "users.yaml"
    link.symlink_to(path)
    set_user(link, "third", NEW)
    assert link.is_symlink()
    assert set(read_users(path)) == {"market", "shop@example.jp", "third"}


@pytest.mark.parametrize("last", ["", "\n", "\r\n"])
def test_any_last_row_will_do(path, last):
    """A last row without its end, or with another system's, swallows no new user."""
    path.write_bytes(f"market: {ONE}{last}".encode())
    set_user(path, "third", NEW)
    assert read_users(path) == {"market": ONE, "third": NEW}


@pytest.mark.parametrize(
    "content", [f"{{market: {ONE}, b: {TWO}}}\n", f"market:\n  {ONE}\n", f"{{}} # {ONE}\n"]
)
def test_what_is_not_one_user_a_row_is_left_to_its_author(path, content):
    """A change that cannot be proved to change nothing else is not made."""
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match="is not written one user a row"):
        set_user(path, "market", NEW)
    assert path.read_text(encoding="utf-8") == content


def told(content):
    with pytest.raises(BadInput) as caught:
        parse_users(content.encode(), file="users.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_every_mistake_is_told_at_once_and_no_secret():
    """A plain password, a number, a bad name, a hash that is too dear: by line, and none of them repeated."""
    content = f"a: hunter2\nb: 7\nsecret word: {ONE}\nc: {ONE}\nd: {str(ONE).replace('1024', '262144')}\n"
    new = "denrei user set {} writes a new one"
    assert told(content) == [
        f"users.yaml:1: a: is no password's hash ({new.format('a')})",
        f"users.yaml:2: b: is no password's hash ({new.format('b')})",
        "users.yaml:3: name 3: must be 1 to 100 of: letters, digits and . _ @ + -, a letter or digit first",
        f"users.yaml:5: d: is a hash that costs too much or too little to compare ({new.format('d')})",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- market\n", "users.yaml: must be a mapping (name: hash), is a list"),
        (f"a: {ONE}\na: {TWO}\n", "users.yaml:2: a: stands twice (one of the two would be lost)"),
        (f"a: &x {ONE}\nb: *x\n", "users.yaml:1: a: names a part of the file (&name)"),
        ("".join(f"u{n}: x\n" for n in range(MAX_USERS + 1)), "users.yaml: has more than 1000 users"),
    ],
)
def test_what_is_no_list_of_users(content, message):
    """Another shape, a name twice, a reference, too many."""
    assert told(content)[0].startswith(message)


@pytest.mark.parametrize("mode", [0o604, 0o646, 0o620, 0o777])
def test_a_file_that_is_open_to_others_is_refused(path, mode):
    """With the hashes a thief can try passwords at home; who may write it may sign in."""
    path.chmod(mode)
    for act in (lambda: read_users(path), lambda: set_user(path, "market", NEW)):
        with pytest.raises(BadInput, match="holds a secret and is open to others"):
            act()
    assert path.read_text(encoding="utf-8") == WRITTEN


def test_a_missing_file_says_what_makes_it(tmp_path):
    """Who starts the relay first is told what to do."""
    with pytest.raises(BadInput, match=r"is not there \(denrei user set NAME makes it\)"):
        read_users(tmp_path / "users.yaml")


def test_two_who_change_it_at_once(path):
    """The second is told so, instead of undoing what the first does."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(MachineFailure, match="somebody else is changing it; this change was not made"):
            set_user(path, "market", NEW)
    finally:
        os.close(folder)
    assert path.read_text(encoding="utf-8") == WRITTEN


def test_a_folder_that_is_not_there(tmp_path):
    """The machine's failure says that nothing was done."""
    with pytest.raises(MachineFailure, match="No such file or directory; it is as it was"):
        set_user(tmp_path / "nowhere" / "users.yaml", "market", NEW)


def test_a_full_disk_leaves_the_old_file(path):
    """A write that fails half way leaves the users as they were, and no draft."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(MachineFailure, match=r"cannot be written: .*; it is as it was"):
            set_user(path, "market", NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text(encoding="utf-8") == WRITTEN
    assert sorted(each.name for each in path.parent.iterdir()) == ["users.yaml"]
