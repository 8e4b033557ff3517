"""What the transports of 0.7 to 0.9 put around a payload: vectors, any text, and browsers' own readers."""

import json
import re
import subprocess
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors import load
from waterspout.errors import DecodeError
from waterspout.wire.protocol1 import envelopes
from waterspout.wire.protocol1 import socketio as socketio1

VECTORS = load("socketio1")
AWKWARD = [
    "\\",
    "/",
    "</script>",
    "<!--",
    "<script>",
    '"',
    "'",
    "\n",
    "\r",
    "\u2028",
    "\u2029",
    "%",
    "+",
    "\ufffd",
    "😀",
]
TEXTS = st.lists(st.text() | st.sampled_from(AWKWARD)).map("".join)


def name(value: Any) -> str | None:
    return ascii(value["body"])[:60] if isinstance(value, dict) else None


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=name)


# Scripts


@each("scripts")
def test_a_payload_is_written_as_a_script(vector: Any) -> None:
    assert envelopes.encode_script(vector["index"], vector["text"].encode()) == vector["body"].encode()


@each("errors")
def test_a_refusal_is_written_as_a_script(vector: Any) -> None:
    assert envelopes.encode_script_error(vector["index"], vector["text"]) == vector["body"].encode()


LITERAL = r'("(?:[ !#-;=-\[\]-~\x7f]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*")'
SCRIPT = re.compile(rf"/\*\*/io\.j\[(0|[1-9][0-9]*)\]\({LITERAL}\);")
CHUNK = re.compile(rf"<script>_\({LITERAL}\);</script>")


@given(TEXTS, st.integers(0, 999_999_999))
def test_any_text_comes_out_of_its_script_and_nothing_else_does(text: str, index: int) -> None:
    """The pattern is the whole grammar: a call with one string, in ASCII, without "<" and line ends."""
    found = SCRIPT.fullmatch(envelopes.encode_script(index, text.encode()).decode("ascii"))
    assert found
    assert (int(found[1]), json.loads(found[2])) == (index, text)


# Forms


@each("forms")
def test_the_payload_of_a_form_is_read(vector: Any) -> None:
    assert envelopes.decode_form(vector["body"].encode()) == vector["payload"].encode()


@each("broken forms")
def test_a_broken_form_is_a_decode_error(vector: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        envelopes.decode_form(vector["body"].encode())
    assert len(str(caught.value)) < 300


@given(TEXTS, st.booleans())
def test_any_text_comes_out_of_its_form(text: str, ascii_only: bool) -> None:
    """As 0.8 and 0.9 write it; browsers without JSON escape more of it."""
    form = b"d=" + quote_plus(json.dumps(text, ensure_ascii=ascii_only)).encode()
    assert envelopes.decode_form(form) == text.encode()


@given(TEXTS.map("3:::{}".format))
def test_any_message_of_0_7_comes_out_of_its_form_with_plain_line_ends(text: str) -> None:
    plain = re.sub("\r\n|\r", "\n", text)
    form = b"d=" + quote_plus(plain.replace("\n", "\r\n")).encode()
    assert envelopes.decode_form(form) == plain.encode()


@given(st.binary() | st.binary().map(lambda body: b"d=" + body) | st.text().map(lambda text: b'd="' + text.encode()))
def test_any_bytes_give_a_payload_or_a_decode_error(body: bytes) -> None:
    try:
        payload = envelopes.decode_form(body)
    except DecodeError:
        return
    payload.decode()


# htmlfile


class Page(HTMLParser):
    """Counts the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


@each("chunks")
def test_a_payload_is_written_as_an_element(vector: Any) -> None:
    assert envelopes.encode_chunk(vector["payload"].encode()) == vector["body"].encode()


@given(TEXTS)
def test_any_text_comes_out_of_its_element_and_is_one_element(text: str) -> None:
    chunk = envelopes.encode_chunk(text.encode()).decode("ascii")
    found = CHUNK.fullmatch(chunk)
    assert found
    assert json.loads(found[1]) == text
    page = Page()
    page.feed(chunk)
    assert page.tags == ["script"]


def test_an_htmlfile_begins_with_bytes_enough_to_be_shown() -> None:
    page = Page()
    page.feed(envelopes.PREAMBLE.decode("ascii"))
    assert page.tags == ["html", "body", "script"]
    assert len(envelopes.PREAMBLE) >= 256


@given(TEXTS, TEXTS)
def test_nothing_that_goes_by_htmlfile_has_a_backslash_before_a_slash(text: str, name: str) -> None:
    """0.9 takes that for a slash alone, wherever it stands in what has arrived."""
    for packet in (
        socketio1.encode_event("/", name, [text])[0],
        socketio1.as_json_message(socketio1.encode_message("/", text)[0]),
    ):
        assert b"\\/" not in packet


# Parts


@each("parts")
def test_a_payload_is_written_as_a_part(vector: Any) -> None:
    assert envelopes.encode_part(vector["payload"].encode()) == vector["body"].encode()


@given(st.lists(TEXTS))
def test_a_parser_of_mime_finds_every_payload(texts: list[str]) -> None:
    packets = [socketio1.as_json_message(socketio1.encode_message("/", text)[0]) for text in texts]
    parts = [envelopes.encode_first_part("a-sid"), *map(envelopes.encode_part, packets)]
    head = f"Content-Type: {envelopes.MULTIPART}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + b"".join(parts))
    found = [part.get_payload(decode=True) for part in message.get_payload()]  # type: ignore[union-attr]
    assert found == [b"a-sid", *packets, b""]  # what the last delimiter opens


@pytest.mark.parametrize("payload", [b"--socketio", b"x\n--socketio--\n", b"3:::x\r\n--socketio\r\n"])
def test_a_payload_that_would_forge_a_part_is_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match="as_json_message"):
        envelopes.encode_part(payload)


# Flash


def test_flash_asks_for_its_policy_with_one_line() -> None:
    question = envelopes.POLICY_REQUEST
    assert question == b"<policy-file-request/>\0"
    assert [envelopes.decode_policy_request(question[:size]) for size in range(len(question))] == [False] * 23
    assert envelopes.decode_policy_request(question)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"<policy-file-request/>\n", b"<policy-file-request/>\0x", b"\0"]
)
def test_any_other_question_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        envelopes.decode_policy_request(data)


def test_a_policy_is_xml_that_ends_with_a_nul() -> None:
    policy = envelopes.encode_policy(["*.example.com", '"><x a="'], "80,8000-8010")
    assert policy.endswith(b"\0")
    root = ElementTree.fromstring(policy[:-1])
    assert root.tag == "cross-domain-policy"
    assert [each.attrib for each in root] == [
        {"domain": "*.example.com", "to-ports": "80,8000-8010"},
        {"domain": '"><x a="', "to-ports": "80,8000-8010"},
    ]
    assert envelopes.encode_policy() == (
        b'<cross-domain-policy><allow-access-from domain="*" to-ports="*"/></cross-domain-policy>\0'
    )


# In a browser's language

HEARD = """
const heard = [];
const hear = (index) => (data) => heard.push([Number(index), data instanceof Error ? data.message : data]);
const io = { j: new Proxy([], { get: (_, index) => hear(index) }) };
const parent = { s: { _: hear(-1) } }, document = null;
"""


def test_javascript_takes_scripts_and_chunks_as_they_were_meant(node: str, tmp_path: Path) -> None:
    texts = [*AWKWARD, "".join(map(chr, range(0xD800))), "\U0010ffff"]
    scripts = [envelopes.encode_script(index, text.encode()).decode() for index, text in enumerate(texts)]
    scripts += [envelopes.encode_script_error(index, text).decode() for index, text in enumerate(texts)]
    pages = envelopes.PREAMBLE + b"".join(envelopes.encode_chunk(text.encode()) for text in texts)
    scripts += re.findall("<script>(.*?)</script>", pages.decode())
    program = tmp_path / "scripts.js"
    program.write_text("\n".join([HEARD, *scripts, "console.log(JSON.stringify(heard));"]), "ascii")
    done = subprocess.run([node, str(program)], check=True, capture_output=True, text=True, timeout=30)
    indexed = [list(each) for each in enumerate(texts)]
    assert json.loads(done.stdout) == [*indexed, *indexed, *([-1, text] for text in texts)]
