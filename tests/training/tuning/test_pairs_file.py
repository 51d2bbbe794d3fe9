import gzip
from pathlib import Path

import pytest

from training.tuning.pairs_file import PairsFileError, read_pairs


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    return path


def test_lightgcns_lines(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path, "0 5 7\n1 5\n\n2 \n"))
    assert list(zip(pairs.users.tolist(), pairs.items.tolist(), strict=True)) == [
        (b"0", b"5"),
        (b"0", b"7"),
        (b"1", b"5"),
    ]
    assert pairs.ratings is None and pairs.times is None
    assert pairs.empty_users == 1 and not pairs.bad


def test_bad_lines_are_named_by_their_number(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path, "0 5 7\n1 x9\n2 -3\n3 4\n"))
    assert [line.number for line in pairs.bad] == [2, 3]
    assert "'x9'" in pairs.bad[0].reason
    assert pairs.users.tolist() == [b"0", b"0", b"3"]


@pytest.mark.parametrize("mark", [",", "\t"])
def test_rows_with_ratings_and_times(tmp_path: Path, mark: str) -> None:
    rows = ["user_id,item_id,rating,timestamp", "ann,b1,4.5,100", '"bob",b2,2,90', "cy,b1,5", ",b3,1,1"]
    rows += ["dee,b1,good,4", "dee,b1,nan,4"]
    pairs = read_pairs(written(tmp_path, "\n".join(row.replace(",", mark) for row in rows)))
    assert pairs.users.tolist() == [b"ann", b"bob"]
    assert pairs.ratings is not None and pairs.ratings.tolist() == [4.5, 2.0]
    assert pairs.times is not None and pairs.times.tolist() == [100.0, 90.0]
    assert [line.number for line in pairs.bad] == [4, 5, 6, 7]
    liked = pairs.where(pairs.ratings >= 4)
    assert liked.items.tolist() == [b"b1"] and liked.times is not None


def test_two_fields_need_no_header(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path, "u1,i1\nu2,i2\n"))
    assert len(pairs) == 2 and pairs.ratings is None


@pytest.mark.parametrize("text", ["", "a b\n", "x\n", "a,b,c,d,e\n"])
def test_a_file_without_one_good_line_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PairsFileError, match=r"pairs\.txt"):
        read_pairs(written(tmp_path, text))


@pytest.mark.parametrize(
    "content",
    [
        b"0 1 2\r\n\r\n1 3\r\n",
        b"\xef\xbb\xbf0 1 2\n1 3",
        b"0 1\n1 3\n00 02\n",
        gzip.compress(b"0 1 2\n1 3\n", mtime=0),
    ],
    ids=["crlf", "bom", "a user twice", "gzip"],
)
def test_the_same_pairs_however_they_are_written(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(content)
    pairs = read_pairs(path)
    found = set(zip(pairs.users.tolist(), pairs.items.tolist(), strict=True))
    assert found == {(b"0", b"1"), (b"0", b"2"), (b"1", b"3")} and not pairs.bad


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\n \n", "empty"),
        (b"item_id,user_id\ni1,u1\n", "item before user"),
        (gzip.compress(b"0 1 2\n" * 50, mtime=0)[:20], "can't be unpacked"),
        (b"ann b1 b2\n", "line 1: 'ann' is not a whole number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(content)
    with pytest.raises(PairsFileError, match=reason):
        read_pairs(path)
