"""The one file of an archive."""

import zipfile
from pathlib import Path

import pytest

from database.ingest.chunk import IngestError
from database.ingest.decoding import text_of


def archive(folder: Path, *names: str) -> Path:
    path = folder / "items.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, f"text of {name}")
    return path


@pytest.mark.parametrize(
    "names", [("items.csv",), ("items.csv", "__MACOSX/._items.csv"), ("a/", "__MACOSX/", "a/items.csv")]
)
def test_an_archive_is_its_one_file_whatever_a_mac_adds(tmp_path: Path, names: tuple[str, ...]) -> None:
    with text_of(archive(tmp_path, *names)) as (text, _):
        assert text.read().endswith("items.csv")


@pytest.mark.parametrize("names", [("a/",), ("a.csv", "b.csv"), ("__MACOSX/._items.csv",)])
def test_an_archive_of_none_or_several_files_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(IngestError), text_of(archive(tmp_path, *names)) as (text, _):
        text.read()


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_of_several_files_in_an_archive_the_first_are_named_and_that_there_are_more(
    tmp_path: Path, count: int
) -> None:
    names = [f"{number}.csv" for number in range(count)]
    with pytest.raises(IngestError) as refused, text_of(archive(tmp_path, *names)) as (text, _):
        text.read()
    told = str(refused.value)
    named = [name for name in names if name in told]
    assert f"a zip of {count} files" in told and named == names[: len(named)] != []
    assert ("..." in told) == (len(named) < count)
