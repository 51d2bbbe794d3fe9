"""uv is told what pip's settings say."""

from itertools import pairwise

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
    assert uv_environment(read_settings(LISTING)) == {
        "SSL_CERT_FILE": "/etc/ca.pem",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "ALL_PROXY": "http://proxy:3128",
        "UV_HTTP_TIMEOUT": "7",
    }


def test_no_settings_are_no_options() -> None:
    assert uv_options({}) == []
    assert uv_environment({}) == {}
    assert uv_options({"no-index": "0"}) == []
