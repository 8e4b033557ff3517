"""JSONP: the vectors of data/jsonp.json, and what holds for any text: as a script in JavaScript, and as a form."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors import load, name
from waterspout.errors import DecodeError
from waterspout.wire import jsonp

VECTORS = load("jsonp")
AWKWARD = st.sampled_from(
    ["\\", "n", "\n", "\r", "\u2028", "\u2029", "<", "</script>", "<!--", '"', "'", "%", "+", "&"]
)
TEXTS = st.lists(st.text() | AWKWARD).map("".join)


@pytest.mark.parametrize("vector", VECTORS["scripts"], ids=name)
def test_a_payload_is_written_as_a_script(vector: Any) -> None:
    assert jsonp.encode_script(vector["index"], vector["text"].encode()) == vector["body"].encode()


@pytest.mark.parametrize("vector", VECTORS["forms"], ids=name)
def test_the_payload_of_a_form_is_read(vector: Any) -> None:
    assert jsonp.decode_form(vector["body"].encode()) == vector["text"].encode()


@pytest.mark.parametrize("vector", VECTORS["broken forms"], ids=name)
def test_a_broken_form_is_a_decode_error(vector: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        jsonp.decode_form(vector["body"].encode())
    assert len(str(caught.value)) < 100


def test_every_vector_names_its_source() -> None:
    assert [vector for kind in VECTORS if kind != "about" for vector in VECTORS[kind] if not vector["source"]] == []


@pytest.mark.parametrize("text", ["0", "7", "12", "007", "999999999"])
def test_an_index_has_one_to_nine_digits(text: str) -> None:
    assert jsonp.is_index(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "-1",
            "+1",
            "1.0",
            "1e3",
            "0x1",
            "1_0",
            " 1",
            "1 ",
            "1\n",
            "1;x",
            "alert(1)",
            "\uff11",
            "\u0662",
            "\xb2",
        ),
        *("1" * 10, "9999999999999999999", "1" * 1_000_000),
    ],
    ids=lambda text: ascii(text)[:24],
)
def test_nothing_else_is_an_index(text: str) -> None:
    assert not jsonp.is_index(text)


SCRIPT = re.compile(r'/\*\*/___eio\[(0|[1-9][0-9]*)\]\(("(?:[ !#-;=-\[\]-~\x7f]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*")\);')


@given(TEXTS, st.integers(0, 999_999_999))
def test_any_text_comes_out_of_its_script_and_nothing_else_does(text: str, index: int) -> None:
    """The pattern is the whole grammar: a call with one string, in ASCII, without "<" and line ends."""
    found = SCRIPT.fullmatch(jsonp.encode_script(index, text.encode()).decode("ascii"))
    assert found
    assert (int(found[1]), json.loads(found[2])) == (index, text)


def form(text: str) -> bytes:
    """Write a form as client and browser do: escape line feeds; then line ends are CR LF, and the rest is quoted."""
    escaped = text.replace("\\n", "\\\n").replace("\n", "\\n")
    return b"d=" + quote_plus(re.sub("\r\n|\r|\n", "\r\n", escaped)).encode()


@given(TEXTS.filter(lambda text: "\\\n" not in text))
def test_any_text_comes_out_of_its_form(text: str) -> None:
    assert jsonp.decode_form(form(text)) == text.encode()


@given(st.binary() | st.binary().map(lambda body: b"d=" + body))
def test_any_bytes_give_a_payload_or_a_decode_error(body: bytes) -> None:
    try:
        payload = jsonp.decode_form(body)
    except DecodeError:
        return
    assert len(payload) <= len(body) - 2


@pytest.mark.parametrize("piece", [b"%22", b"%5Cn", b"%", b"&", b"d=", b"a", b"%0D%0A"])
def test_the_work_does_not_grow_with_the_form(steps: Callable[[Callable[[], object]], int], piece: bytes) -> None:
    def work() -> None:
        try:
            jsonp.decode_form(b"d=" + piece * 300_000)
        except DecodeError:
            pass

    assert steps(work) < 15


def test_javascript_takes_a_script_as_it_was_meant(node: str, tmp_path: Path) -> None:
    texts = [vector["text"] for vector in VECTORS["scripts"]] + ["".join(map(chr, range(0xD800))), "\U0010ffff"]
    scripts = [jsonp.encode_script(index, text.encode()).decode() for index, text in enumerate(texts)]
    program = tmp_path / "scripts.js"
    heard = (
        "const heard = [], ___eio = new Proxy([], { get: (_, index) => (text) => heard.push([Number(index), text]) });"
    )
    program.write_text("\n".join([heard, *scripts, "console.log(JSON.stringify(heard));"]), "ascii")
    done = subprocess.run([node, str(program)], check=True, capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout) == [list(each) for each in enumerate(texts)]


OCTETS = [b"%%%02x" % byte for byte in range(256)] + [b"%c" % byte for byte in set(range(256)) - {*b"%&"}]


@given(st.lists(st.sampled_from(OCTETS)).map(b"".join))
def test_escapes_are_read_as_the_standard_library_reads_them(value: bytes) -> None:
    expected = unquote_to_bytes(value.replace(b"+", b" ")).replace(b"\r\n", b"\r")
    assert jsonp.decode_form(b"d=" + value) == expected.replace(rb"\n", b"\n").replace(b"\\\n", rb"\n")


@pytest.mark.parametrize("piece", [b"%41", b"%5C%0A", b"%3D", b"+", b"=", b"%0D%0A"])
def test_a_form_is_read_without_a_step_for_each_escape(piece: bytes) -> None:
    """Of those of the standard library, too."""
    calls = 0

    def count(frame: object, event: str, _: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        jsonp.decode_form(b"d=" + piece * 10_000)
    finally:
        sys.setprofile(None)
    assert calls < 20
