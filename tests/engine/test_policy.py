"""What is a matter of choice: the defaults, what is refused with which sentence, and the cookie."""

import dataclasses
import math
import re
from typing import Any

import pytest

from waterspout.engine import Cookie, Policy
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4

SECONDS = (
    "ping_interval",
    "ping_timeout",
    "upgrade_timeout",
    "connect_timeout",
    "partial_timeout",
    "close_timeout",
    "resume_timeout",
    "poll_hold",
)
COUNTS = ("max_payload_bytes", "max_outbox_bytes", "max_packets", "max_attachments", "max_calls")


def test_the_defaults_are_those_of_the_javascript_server_where_it_has_them() -> None:
    assert dataclasses.asdict(Policy(generations=())) == {
        "ping_interval": 25,
        "ping_timeout": 20,
        "upgrade_timeout": 10,
        "connect_timeout": 10,
        "partial_timeout": 10,
        "close_timeout": 10,
        "resume_timeout": 30,
        "poll_hold": 20,
        "max_payload_bytes": 1_000_000,
        "max_outbox_bytes": 1_000_000,
        "max_packets": 10_000,
        "max_attachments": 10,
        "max_calls": 1000,
        "transports": ("polling", "websocket"),
        "generations": (),
        "cors_origins": None,
        "cors_credentials": False,
        "jsonp": True,
        "cookie": None,
        "per_message_deflate": False,
        "trusted_proxies": (),
    }
    assert Policy().generations == (ENGINEIO_3, ENGINEIO_4)


def test_every_number_is_checked_in_these_tests() -> None:
    numbers = {field.name for field in dataclasses.fields(Policy) if field.type in (int, float)}
    assert numbers == {*SECONDS, *COUNTS}


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [0, -1, -0.001, math.inf, math.nan])
def test_a_time_is_a_finite_number_of_seconds_above_0(name: str, value: float) -> None:
    wrong: Any = {name: value}
    with pytest.raises(ValueError, match=re.escape(f"{name} is {value!r}: give a number of seconds above 0")):
        Policy(**wrong)
    right: Any = {name: 0.001}
    assert getattr(Policy(**right), name) == 0.001


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_at_least_1(name: str, value: int) -> None:
    wrong: Any = {name: value}
    with pytest.raises(ValueError, match=re.escape(f"{name} is {value!r}: give a number of at least 1")):
        Policy(**wrong)
    right: Any = {name: 1}
    assert getattr(Policy(**right), name) == 1


@pytest.mark.parametrize("transports", [(), ("webtransport",), ("polling", "flash"), "polling"])
def test_only_known_transports_can_be_chosen_and_one_at_least(transports: Any) -> None:
    choice = "polling, websocket, flashsocket, htmlfile, xhr-multipart, xhr-polling, jsonp-polling"
    sentence = f"transports are {transports!r}: choose from {choice}"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Policy(transports=transports)


def test_everybody_with_credentials_is_refused() -> None:
    sentence = 'cors_origins="*" with cors_credentials=True: name the origins that may use credentials'
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Policy(cors_origins="*", cors_credentials=True)


@pytest.mark.parametrize("origins", [["*"], ("http://a.example", "*")])
def test_everybody_in_a_list_is_refused(origins: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f'cors_origins is {origins!r}: "*" stands alone, not in a list')):
        Policy(cors_origins=origins)


def test_a_policy_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policy().ping_interval = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("cookie", "value"),
    [
        (Cookie(), "io=abc; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie(name="node"), "node=abc; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie(path="/chat", http_only=False), "io=abc; Path=/chat; SameSite=Lax"),
        (Cookie(max_age=0), "io=abc; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        (Cookie(max_age=3600), "io=abc; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
        (Cookie(same_site="None", secure=True), "io=abc; Path=/; HttpOnly; Secure; SameSite=None"),
    ],
)
def test_the_cookie_is_set_with_its_attributes(cookie: Cookie, value: str) -> None:
    assert cookie.header("abc") == ("Set-Cookie", value)
