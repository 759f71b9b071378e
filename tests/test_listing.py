import os
from pathlib import Path

import pytest

from eoinas.data import listing
from eoinas.errors import InputError

LEFT_BEHIND = (
    ".DS_Store",
    "._a.png",
    ".cache/a.png",
    "__MACOSX/a.png",
    "@eaDir/a.png",
    "lost+found/a.png",
    "Thumbs.db",
    "desktop.ini",
    "Icon\r",
    "$RECYCLE.BIN/a.png",
)


def is_png(name: str) -> bool:
    return name.endswith(".png")


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_all_files_below_are_listed_by_path(tmp_path) -> None:
    touch(tmp_path, "b.png", "a.PNG", "a/z.jpg", "a/b/c.png", "a-b/c.png", "a/notes.txt", "readme")
    wanted, others = listing.below(tmp_path, lambda name: name.lower().endswith((".png", ".jpg")))
    assert wanted == ["a-b/c.png", "a.PNG", "a/b/c.png", "a/z.jpg", "b.png"]
    assert others == ["a/notes.txt", "readme"]
    assert listing.folders(tmp_path) == ["a", "a-b"]
    assert listing.files(tmp_path) == ["a.PNG", "b.png", "readme"]


def test_what_systems_leave_behind_is_ignored_at_every_depth(tmp_path) -> None:
    touch(tmp_path, *LEFT_BEHIND, *(f"sub/{name}" for name in LEFT_BEHIND), "sub/a.png")
    assert listing.below(tmp_path, is_png) == (["sub/a.png"], [])
    assert listing.folders(tmp_path) == ["sub"]
    assert listing.files(tmp_path) == []


def test_links_are_followed_and_a_loop_ends(tmp_path) -> None:
    touch(tmp_path, "elsewhere/a.png", "here/b.png")
    (tmp_path / "here/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here/loop").symlink_to(tmp_path / "here")
    (tmp_path / "here/gone.png").symlink_to(tmp_path / "nothing")  # whoever reads it names it
    assert listing.below(tmp_path / "here", is_png)[0] == ["b.png", "gone.png", "link/a.png"]


@pytest.mark.parametrize(
    ("name", "shown", "reason"),
    [
        (b"caf\xe9.png", r"caf\xe9.png", "is not UTF-8"),  # Latin-1
        (b"\x83e.png", r"\x83e.png", "is not UTF-8"),  # Shift-JIS
        (b"a\nb.png", r"a\nb.png", "holds a control character"),
        (b"a\rb.png", r"a\rb.png", "holds a control character"),
    ],
)
def test_a_name_that_no_manifest_can_hold_is_refused(tmp_path, name, shown, reason) -> None:
    touch(tmp_path, "class/" + os.fsdecode(name))
    with pytest.raises(InputError) as caught:
        listing.below(tmp_path, is_png)
    assert str(caught.value) == f"{tmp_path}/class/{shown}: its name {reason}; rename it"
    assert listing.below(tmp_path, lambda _: False)[1] == ["class/" + os.fsdecode(name)]  # nobody writes this one down
    (tmp_path / os.fsdecode(name)).mkdir()
    with pytest.raises(InputError, match=rf"its name {reason}; rename it$"):
        listing.folders(tmp_path)


def test_names_of_all_alphabets_are_taken(tmp_path) -> None:
    touch(tmp_path, "M\u00fcnchen \u3000\u6771\u4eac/\u00e9.png")
    assert listing.below(tmp_path, is_png)[0] == ["M\u00fcnchen \u3000\u6771\u4eac/\u00e9.png"]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ([], ""),
        (["a.txt"], "1 file of here was not taken: .txt 1\n"),
        (["a.GIF", "b/c.gif", "x.txt", "none"], "4 files of here were not taken: .gif 2, .txt 1, no suffix 1\n"),
        ([f"{n}.{n}" for n in range(9)], "9 files of here were not taken: .0 1, .1 1, .2 1, .3 1, .4 1, .5 1, others 3\n"),
        (["a.\udce9"], "1 file of here was not taken: .\\xe9 1\n"),
    ],
)
def test_what_is_not_taken_is_told_in_a_line(capsys, names, line) -> None:
    listing.tell(names, "here")
    assert capsys.readouterr().out == line
