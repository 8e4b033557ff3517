"""The numbers of the samples agree with those of the server, and the page about them is true."""

import configparser
import inspect
import re

import pytest

from deploy.backends import ROOT
from waterspout import Server
from waterspout.engine.eventstream import HEARTBEAT_INTERVAL
from waterspout.hosts import intake, signals, web

OPTIONS = {name: row.default for name, row in inspect.signature(Server).parameters.items()}
SAMPLES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "deploy").iterdir())}
PAGE = (ROOT / "docs/deployment.md").read_text("utf-8")
UNITS = {"": 1, "s": 1, "k": 1 << 10, "m": 1 << 20}


def number(sample: str, setting: str) -> int:
    """Return the one value that a setting has in a sample, in seconds or bytes."""
    found = set(re.findall(rf"^ *{setting} (\d+)([skm]?)\b", SAMPLES[sample], re.MULTILINE))
    assert len(found) == 1, (setting, found)
    ((digits, unit),) = found
    return int(digits) * UNITS[unit]


@pytest.mark.parametrize(
    ("sample", "setting"),
    [
        ("nginx.conf", "proxy_read_timeout"),
        ("nginx.conf", "proxy_send_timeout"),
        ("haproxy.cfg", "timeout client"),
        ("haproxy.cfg", "timeout server"),
        ("haproxy.cfg", "timeout tunnel"),
        ("apache.conf", "Timeout"),
        ("apache.conf", "ProxyTimeout"),
    ],
)
def test_a_proxy_is_more_patient_than_the_server(sample: str, setting: str) -> None:
    assert number(sample, setting) > OPTIONS["ping_interval"] + OPTIONS["ping_timeout"]
    assert number(sample, setting) > OPTIONS["poll_hold"]


def test_what_the_server_allows_passes_the_proxies_and_little_more() -> None:
    limit = OPTIONS["max_payload_bytes"]
    (most,) = re.findall(r"gt (\d+)", SAMPLES["haproxy.cfg"])
    (largest,) = re.findall(r"-gt (\d+)", SAMPLES["apache.conf"])
    for bound in (number("nginx.conf", "client_max_body_size"), int(most), int(largest)):
        assert limit < bound < 2 * limit


def test_a_kept_connection_is_given_up_by_the_proxy_first() -> None:
    assert number("nginx.conf", "keepalive_timeout") < web.IDLE_TIMEOUT
    assert f"the {web.IDLE_TIMEOUT:g} s for which the server keeps a connection" in SAMPLES["nginx.conf"]
    assert set(re.findall(r"ttl=(\d+)", SAMPLES["apache.conf"])) == {"60"}
    assert f"the {web.IDLE_TIMEOUT:g} s for which the server keeps" in SAMPLES["apache.conf"]
    assert number("nginx.conf", "client_body_timeout") == intake.BODY_TIMEOUT
    assert f"body={intake.BODY_TIMEOUT:g}," in SAMPLES["apache.conf"]


def test_a_process_has_the_time_that_its_end_takes() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read_string(SAMPLES["waterspout@.service"])
    assert float(unit["Service"]["TimeoutStopSec"]) > signals.EXIT_TIMEOUT
    assert f"that takes {signals.EXIT_TIMEOUT:g} s at most" in SAMPLES["waterspout@.service"]


def test_comments_and_the_page_tell_the_numbers_of_the_code() -> None:
    interval, patience = OPTIONS["ping_interval"], OPTIONS["ping_timeout"]
    for text in (SAMPLES["nginx.conf"], SAMPLES["haproxy.cfg"], SAMPLES["apache.conf"]):
        assert f"ping_interval ({interval:g} s)" in text
        assert f"ping_timeout ({patience:g} s)" in text
        assert f"max_payload_bytes ({OPTIONS['max_payload_bytes']:,})" in text
        assert f"comment every {HEARTBEAT_INTERVAL:g} s" in re.sub(r"\n *# ", " ", text)
    assert f"more than {interval + patience:g} s" in PAGE
    assert f"silent for at most {HEARTBEAT_INTERVAL:g} s" in PAGE


def test_the_page_names_every_sample_and_every_setting_it_speaks_of() -> None:
    assert set(re.findall(r"`deploy/([\w@.]+)`", PAGE)) == set(SAMPLES)
    table = re.findall(r"^\| .* \| (.*) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    for column, sample in enumerate(("nginx.conf", "haproxy.cfg", "apache.conf")):
        named = [name for row in table for name in re.findall(r"`([^`]+)`", row[column])]
        assert len(named) > 8
        assert [name for name in named if name not in SAMPLES[sample]] == []
