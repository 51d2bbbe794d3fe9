"""The supervisor's own files are in place, not those that another package has under the same names."""

import base64
import hashlib
from importlib.metadata import files


def test_circus_is_what_circus_was_packed_with() -> None:
    held = [each for each in files("circus") or () if each.parts[0] == "circus" and each.hash is not None]
    assert len(held) > 50
    for each in held:
        assert each.hash is not None
        digest = hashlib.new(each.hash.mode, each.read_binary()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == each.hash.value, each
