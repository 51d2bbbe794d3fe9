"""uv is told what pip's settings say."""

import ssl
from itertools import pairwise
from pathlib import Path

import pytest

from operations.install.settings import read_settings, uv_environment, uv_options

LISTING = """WARNING: something
:env:.find-links='/env/wheels'
:env:.timeout='7'
download.index-url='https://download'
global.index-url='https://global'
global.find-links='/global/wheels'
global.extra-index-url='\\nhttps://one\\nhttps://two'
install.index-url='https://install'
global.cert='/etc/ca.pem'
global.constraint='/etc/pip constraints.txt'
global.proxy='http://proxy:3128'
global.no-index='true'
"""


def test_variables_go_before_the_section_install_and_that_before_global() -> None:
    settings = read_settings(LISTING)
    assert settings["find-links"] == "/env/wheels"
    assert settings["index-url"] == "https://install"


def test_options_mean_what_pips_mean() -> None:
    options = uv_options(read_settings(LISTING) | {"constraint": "/etc/constraints.txt"})
    pairs = list(pairwise(options))
    for pair in (
        ("--default-index", "https://install"),
        ("--index", "https://one"),
        ("--index", "https://two"),
        ("--find-links", "/env/wheels"),
        ("--constraints", "/etc/constraints.txt"),
        ("--index-strategy", "unsafe-best-match"),
    ):
        assert pair in pairs
    assert options[-1] == "--no-index"


def test_variables_mean_what_pips_mean() -> None:
    assert uv_environment(read_settings(LISTING), {}) == {
        "SSL_CERT_FILE": "/etc/ca.pem",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "ALL_PROXY": "http://proxy:3128",
        "UV_HTTP_TIMEOUT": "7",
    }


def test_fractions_of_a_second_are_rounded_up_for_uv() -> None:
    assert uv_environment({"timeout": "15.5"}, {})["UV_HTTP_TIMEOUT"] == "16"


def test_uv_trusts_the_systems_certificates_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = ssl.get_default_verify_paths()._replace(cafile="", capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: empty)
    assert uv_environment({}, {}) == {}

    (tmp_path / "company.pem").touch()
    assert uv_environment({}, {}) == {"UV_SYSTEM_CERTS": "1"}
    assert uv_environment({"cert": "/etc/ca.pem"}, {}) == {"SSL_CERT_FILE": "/etc/ca.pem"}


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_pip_takes_from_a_variable_are_handed_to_uv(tmp_path: Path, name: str) -> None:
    assert uv_environment({}, {name: "/etc/ca.pem"}) == {"SSL_CERT_FILE": "/etc/ca.pem"}
    assert uv_environment({}, {name: str(tmp_path)}) == {"SSL_CERT_DIR": str(tmp_path)}
    assert uv_environment({"cert": "/own.pem"}, {name: "/etc/ca.pem"}) == {"SSL_CERT_FILE": "/own.pem"}
    assert "SSL_CERT_FILE" not in uv_environment({}, {name: "/etc/ca.pem", "SSL_CERT_FILE": "/own.pem"})


def test_no_settings_are_no_options() -> None:
    assert uv_options({}) == []
    assert uv_options({"no-index": "0"}) == []
