"""What is a matter of choice: the defaults, what is refused with which sentence, and the cookie."""

import dataclasses
import math
import re
from typing import Any

import pytest

from waterspout.engine import Cookie, Policy, Protocol1Policy
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4

SECONDS = (
    "ping_interval",
    "ping_timeout",
    "upgrade_timeout",
    "connect_timeout",
    "partial_timeout",
    "close_timeout",
)
COUNTS = ("max_payload_bytes", "max_outbox_bytes", "max_packets", "max_attachments", "max_calls", "max_header_lines")


def test_the_defaults_are_those_of_the_javascript_server_where_it_has_them() -> None:
    assert dataclasses.asdict(Policy(generations=())) == {
        "ping_interval": 25,
        "ping_timeout": 20,
        "upgrade_timeout": 10,
        "connect_timeout": 10,
        "partial_timeout": 10,
        "close_timeout": 10,
        "max_payload_bytes": 1_000_000,
        "max_outbox_bytes": 1_000_000,
        "max_packets": 10_000,
        "max_packets_per_poll": None,
        "max_attachments": 10,
        "max_calls": 1000,
        "max_header_lines": 100,
        "transports": ("polling", "websocket"),
        "generations": (),
        "cors_origins": None,
        "cors_credentials": False,
        "jsonp": True,
        "cookie": None,
        "per_message_deflate": False,
        "subprotocols": None,
        "trusted_proxies": (),
        "allowed_hosts": None,
        "verify_remote_ip": False,
        "protocol1": {
            "resume_timeout": 30,
            "poll_hold": 20,
            "transports": None,
            "close_timeout_advertised": None,
            "unknown_session": None,
            "second_poll": "replace",
            "post_reply": "1",
            "websocket_check": False,
            "application_answers": False,
            "missed_heartbeats": None,
            "global_heartbeats": True,
        },
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


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [25_000, 3600.5])
def test_a_time_in_milliseconds_is_found_out(name: str, value: float) -> None:
    wrong: Any = {name: value}
    sentence = f"{name} is {value!r}: give seconds, not milliseconds, and at most 3600"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Policy(**wrong)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", ["25", None, True])
def test_a_time_is_a_number(name: str, value: Any) -> None:
    wrong: Any = {name: value}
    with pytest.raises(TypeError, match=re.escape(f"{name} is {value!r}: give a number of seconds")):
        Policy(**wrong)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", ["1M", 1.5, None, True])
def test_a_limit_is_a_whole_number(name: str, value: Any) -> None:
    wrong: Any = {name: value}
    with pytest.raises(TypeError, match=re.escape(f"{name} is {value!r}: give a whole number")):
        Policy(**wrong)


@pytest.mark.parametrize("name", ["cors_credentials", "jsonp", "verify_remote_ip"])
@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_switch_is_true_or_false(name: str, value: Any) -> None:
    wrong: Any = {name: value}
    with pytest.raises(TypeError, match=re.escape(f"{name} is {value!r}: give True or False")):
        Policy(**wrong)


@pytest.mark.parametrize(
    ("wrong", "error", "sentence"),
    [
        ({"resume_timeout": 0}, ValueError, "resume_timeout is 0: give a number of seconds above 0"),
        (
            {"resume_timeout": 30_000},
            ValueError,
            "resume_timeout is 30000: give seconds, not milliseconds, and at most",
        ),
        ({"resume_timeout": "30"}, TypeError, "resume_timeout is '30': give a number of seconds"),
        ({"poll_hold": math.inf}, ValueError, "poll_hold is inf: give a number of seconds above 0"),
        ({"poll_hold": 20_000}, ValueError, "poll_hold is 20000: give seconds, not milliseconds, and at most 3600"),
        ({"poll_hold": None}, TypeError, "poll_hold is None: give a number of seconds"),
        ({"close_timeout_advertised": 25_000}, ValueError, "close_timeout_advertised is 25000: give seconds, not"),
        ({"close_timeout_advertised": "25"}, TypeError, "close_timeout_advertised is '25': give a number of seconds"),
        ({"missed_heartbeats": 0}, ValueError, "missed_heartbeats is 0: give a number of at least 1"),
        ({"missed_heartbeats": 2.5}, TypeError, "missed_heartbeats is 2.5: give a whole number"),
        ({"unknown_session": 200}, ValueError, "unknown_session is 200: give a status from 400 to 599, or None"),
        ({"unknown_session": "401"}, ValueError, "unknown_session is '401': give a status from 400 to 599, or None"),
        ({"second_poll": "REPLACE"}, ValueError, "second_poll is 'REPLACE': choose from replace, refuse"),
        ({"second_poll": None}, ValueError, "second_poll is None: choose from replace, refuse"),
        ({"post_reply": None}, TypeError, "post_reply is None: give a string"),
        ({"websocket_check": "no"}, TypeError, "websocket_check is 'no': give True or False"),
        ({"application_answers": None}, TypeError, "application_answers is None: give True or False"),
        ({"global_heartbeats": 0}, TypeError, "global_heartbeats is 0: give True or False"),
        ({"transports": ()}, ValueError, "transports are (): choose from websocket, flashsocket, htmlfile"),
        ({"transports": ("polling",)}, ValueError, "transports are ('polling',): choose from websocket"),
        ({"transports": "htmlfile"}, TypeError, "transports is the string 'htmlfile': give a tuple"),
    ],
)
def test_each_option_of_old_clients_is_checked(wrong: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        Protocol1Policy(**wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"resume_timeout": None, "close_timeout_advertised": 25, "unknown_session": 401, "missed_heartbeats": 3},
        {"second_poll": "refuse", "post_reply": "", "transports": ("htmlfile", "websocket")},
    ],
)
def test_options_of_old_clients_are_kept_as_given(right: Any) -> None:
    policy = Protocol1Policy(**right)
    assert {name: getattr(policy, name) for name in right} == right
    assert Protocol1Policy(transports=["htmlfile"]).transports == ("htmlfile",)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, {"poll_hold": 20}, Protocol1Policy])
def test_what_is_no_policy_for_old_clients_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(f"protocol1 is {wrong!r}: give a waterspout.engine.Protocol1Policy")):
        Policy(protocol1=wrong)


@pytest.mark.parametrize("transports", [(), ("webtransport",), ("polling", "flash"), "flash", 5, None])
def test_only_known_transports_can_be_chosen_and_one_at_least(transports: Any) -> None:
    choice = "polling, websocket, flashsocket, htmlfile, xhr-multipart, xhr-polling, jsonp-polling"
    sentence = f"transports are {transports!r}: choose from {choice}"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Policy(transports=transports)


@pytest.mark.parametrize("name", ["polling", "websocket"])
def test_the_name_of_one_transport_is_not_taken_for_several(name: Any) -> None:
    sentence = f"transports is the string {name!r}: give a tuple, ({name!r},)"
    with pytest.raises(TypeError, match=re.escape(sentence)):
        Policy(transports=name)


def test_transports_may_come_in_any_collection_and_stay_as_they_were() -> None:
    given: Any = ["websocket"]
    policy = Policy(transports=given)
    given.append("polling")
    assert policy.transports == ("websocket",)


@pytest.mark.parametrize("subprotocols", [None, (), ("chat", "v1.chat+json"), ["chat"]])
def test_subprotocols_are_tokens_in_a_tuple_or_none(subprotocols: Any) -> None:
    assert Policy(subprotocols=subprotocols).subprotocols == subprotocols


@pytest.mark.parametrize("subprotocols", ["chat", b"chat", 5, {"chat"}, True])
def test_what_is_no_tuple_of_subprotocols_is_refused(subprotocols: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(f"subprotocols is {subprotocols!r}: give a tuple")):
        Policy(subprotocols=subprotocols)


@pytest.mark.parametrize("one", ["", "a b", "a,b", "chat\r\nX: y", "caf\xe9", 5, None])
def test_what_is_no_token_is_no_subprotocol(one: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"subprotocols has {one!r}: give names of letters")):
        Policy(subprotocols=("chat", one))


def test_everybody_with_credentials_is_refused() -> None:
    sentence = 'cors_origins="*" with cors_credentials=True: name the origins that may use credentials'
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Policy(cors_origins="*", cors_credentials=True)


@pytest.mark.parametrize("origins", [["*"], ("http://a.example", "*")])
def test_everybody_in_a_list_is_refused(origins: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f'cors_origins is {origins!r}: give "*" alone, not in a list')):
        Policy(cors_origins=origins)


def test_credentials_for_nobody_are_refused() -> None:
    sentence = "cors_credentials=True without cors_origins: name the origins that may use credentials"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Policy(cors_credentials=True)


@pytest.mark.parametrize(
    "origins",
    [
        None,
        "*",
        "https://example.com",
        "https://example.com/",
        "HTTPS://Example.com:8443",
        "http://[::1]:3000",
        "null",
        "file://",
        ["https://a.example", "FILE://"],
        "capacitor://localhost",
        re.compile(r"https://[a-z]+\.example\.com"),
        ["https://a.example", re.compile("b")],
        {"https://a.example"},
        (),
        len,
    ],
    ids=str,
)
def test_what_can_be_an_origin_is_accepted(origins: Any) -> None:
    assert Policy(cors_origins=origins).cors_origins is origins


@pytest.mark.parametrize(
    ("origin", "remedy"),
    [
        ("example.com", "an origin is a scheme and a host, without a path: give 'https://example.com'"),
        ("localhost:3000", "an origin is a scheme and a host, without a path: give 'https://localhost:3000'"),
        ("https://example.com/app", "an origin is a scheme and a host, without a path: give 'https://example.com'"),
        ("http://example.com?x", "an origin is a scheme and a host, without a path: give 'http://example.com'"),
        ("https://example.com:443", "browsers leave out the default port of a scheme, give 'https://example.com'"),
        ("http://example.com:80/", "browsers leave out the default port of a scheme, give 'http://example.com'"),
        ("https://exämple.com", "browsers write hosts in ASCII, give it as they do (xn--...)"),
        ("", "give an origin such as 'https://example.com'"),
        ("https://", "give an origin such as 'https://example.com'"),
        ("file:///", "what comes from a file has the origin 'file://' or 'null', whatever its path"),
        ("file:///app/index.html", "what comes from a file has the origin 'file://' or 'null', whatever its path"),
        ("https://me@example.com", "give an origin such as 'https://example.com'"),
        (
            "https://*.example.com",
            "an asterisk stands for nothing here, give a pattern: "
            r're.compile(r"https://[a-z0-9.-]+\.example\.com")',
        ),
    ],
)
def test_what_no_page_can_have_as_its_origin_is_refused_with_a_remedy(origin: str, remedy: str) -> None:
    for origins in (origin, [origin], ["https://good.example", origin]):
        with pytest.raises(ValueError, match=re.escape(f"cors_origins has {origin!r}: {remedy}")):
            Policy(cors_origins=origins)


def test_the_pattern_that_is_recommended_for_an_asterisk_matches() -> None:
    with pytest.raises(ValueError) as error:
        Policy(cors_origins="https://*.example.com")
    pattern = re.search(r're\.compile\(r"(.*)"\)', str(error.value))
    assert pattern is not None
    assert re.fullmatch(pattern[1], "https://shop.example.com")
    assert not re.fullmatch(pattern[1], "https://shop.example.com.evil.example")


@pytest.mark.parametrize(
    "origins", [True, 5, [5], b"https://a.example", re.compile(b"x"), [["https://a.example"]]], ids=str
)
def test_what_is_no_origin_at_all_is_refused(origins: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(f'cors_origins is {origins!r}: give "*" for every page')):
        Policy(cors_origins=origins)


@pytest.mark.parametrize("cookie", [True, {"name": "io"}, "io"])
def test_what_is_no_cookie_is_refused(cookie: Any) -> None:
    sentence = f"cookie is {cookie!r}: give the cookie's name, 'io', or a waterspout.engine.Cookie"
    with pytest.raises(TypeError, match=re.escape(sentence)):
        Policy(cookie=cookie)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": ""}, "the cookie's name is '': give letters, digits and hyphens, such as 'io'"),
        ({"name": "a;b"}, "the cookie's name is 'a;b': give letters, digits and hyphens, such as 'io'"),
        ({"name": "a\r\n"}, r"the cookie's name is 'a\r\n': give letters, digits and hyphens, such as 'io'"),
        ({"path": "chat"}, "the cookie's path is 'chat': begin it with a slash, without semicolons"),
        ({"path": "/;x"}, "the cookie's path is '/;x': begin it with a slash, without semicolons"),
        ({"same_site": "lax"}, "the cookie's same_site is 'lax': choose from 'Strict', 'Lax' and 'None'"),
    ],
)
def test_what_no_cookie_can_have_is_refused(options: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Cookie(**options)


def test_proxies_that_are_none_are_refused() -> None:
    wrong: Any = None
    with pytest.raises(TypeError, match="trusted_proxies is None: give the number of proxies, or their addresses"):
        Policy(trusted_proxies=wrong)


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
