"""Which values of Host `allowed_hosts` admits, and which entries it refuses with which sentence."""

import re
from ipaddress import ip_network
from typing import Any

import pytest

from waterspout.engine import Policy
from waterspout.engine.http.hostnames import AllowedHosts, Hostnames

NAMES = (
    "example.com",
    "other.example:8000",
    ".below.example",
    ".port.example:81",
    "plain.example:80",
    "tls.example:443",
)
ADDRESSES = ("127.0.0.1", "[::1]:8000", "2001:db8::1", "10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "EXAMPLE.com",
        "example.com.",
        "example.com:80",
        "example.com:65000",
        "Example.Com.:8000",
        "other.example:8000",
        "below.example",
        "a.below.example",
        "a.b.BELOW.example.:9",
        "port.example:81",
        "a.port.example:81",
        "plain.example",
        "plain.example:80",
        "tls.example",
        "127.0.0.1",
        "127.0.0.1:8000",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]:8000",
        "[2001:DB8::1]",
        "[2001:db8::1]:1",
        "10.1.2.3:8000",
        "[fd00::17]",
        "[::ffff:10.0.0.1]",
    ],
)
def test_a_host_that_was_named_is_allowed(host: str) -> None:
    assert Hostnames((*NAMES, *ADDRESSES)).allow(host)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        ".",
        "evil.example",
        "example.com.evil.example",
        "evilexample.com",
        "a.example.com",
        "example.com..",
        "example.com:",
        "example.com:x",
        "example.com:8000:8000",
        "example.com, example.com",
        "example.com,evil.example",
        "evil.example@example.com",
        "example.com@evil.example",
        "example.com/",
        "example.com\n",
        " example.com",
        "example.com\u0130",
        "other.example",
        "other.example:80",
        "other.example:8001",
        "evilbelow.example",
        "below.example.evil.example",
        ".below.example",
        "port.example",
        "plain.example:443",
        "127.0.0.2",
        "127.0.0.1.evil.example",
        "[::1]",
        "[::1]:8001",
        "[::2]",
        "::1",
        "[example.com]",
        "[127.0.0.1]",
        "11.0.0.1",
        "10.0.0",
        "10.0.0.256",
        "x" * 100_000,
    ],
)
def test_any_other_is_not(host: str | None) -> None:
    assert not Hostnames((*NAMES, *ADDRESSES)).allow(host)


@pytest.mark.parametrize(
    ("entry", "secure", "allowed"),
    [
        ("a.example:80", False, True),
        ("a.example:80", True, False),
        ("a.example:80", None, True),
        ("a.example:443", True, True),
        ("a.example:443", False, False),
        ("a.example:443", None, True),
    ],
)
def test_the_port_that_browsers_leave_out_is_that_of_the_scheme(entry: str, secure: bool | None, allowed: bool) -> None:
    assert Hostnames(entry).allow("a.example", secure=secure) is allowed


@pytest.mark.parametrize("allowed", ["a.example", ["a.example"], {"a.example"}, (name for name in ["a.example"])])
def test_one_host_or_several(allowed: Any) -> None:
    assert Hostnames(allowed).allow("a.example")


def test_a_network_may_be_an_object() -> None:
    assert Hostnames(ip_network("10.0.0.0/8")).allow("10.9.9.9:80")
    assert Hostnames([ip_network("10.0.0.0/8")]).allow("10.9.9.9")


@pytest.mark.parametrize(("host", "every"), [("8.8.8.8:80", "0.0.0.0/0"), ("[2001:db8::5]", "::/0")])
def test_every_address_is_a_network_too(host: str, every: str) -> None:
    assert Hostnames(every).allow(host)
    assert not Hostnames(every).allow("evil.example")


@pytest.mark.parametrize(
    ("allowed", "what"),
    [
        ("*", "has '*': leave allowed_hosts out, or give None, to allow every host"),
        ("*.example.com", "an asterisk stands for nothing here, give '.example.com' for this domain and all below it"),
        ("https://example.com/x", "a host has no scheme and no path, give 'example.com'"),
        ("https://", "give names, "),
        ("bücher.example", "browsers write hosts in ASCII, give it as they do (xn--...)"),
        ("example.com:0", "has 'example.com:0': give names, "),
        ("example.com:65536", "has 'example.com:65536': give names, "),
        ("example.com/x", "has 'example.com/x': give names, "),
        ("10.0.0.0/33", "has '10.0.0.0/33': give names, "),
        ("[::g]", "has '[::g]': give names, "),
        ("[127:1]", "what stands in brackets is an address of IPv6"),
        ("a b", "has 'a b': give names, "),
        ("", "has '': give names, "),
        (".", "has '.': give names, "),
        ((), "allowed_hosts is (): give names, "),
        (["example.com", ""], "has '': give names, "),
    ],
)
def test_what_no_host_can_equal_is_refused(allowed: AllowedHosts, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        Policy(allowed_hosts=allowed)


@pytest.mark.parametrize("allowed", [7, b"example.com", [None], [b"a"], True, re.compile("a")])
def test_what_is_no_text_is_refused(allowed: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(f"allowed_hosts is {allowed!r}: give names, ")):
        Policy(allowed_hosts=allowed)
