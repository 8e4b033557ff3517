"""JSONP: sessions of script elements and forms, who may have one, and that nothing of a request comes back."""

import re
from typing import Any

import pytest

from engine.applications import Recorder
from waterspout.engine import Engine, Open, Policy, Refuse, Response, Resume
from waterspout.testing import Clock, admit
from waterspout.types import Reason, Request
from waterspout.wire import json
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

SCRIPT = (
    ("Content-Type", "text/javascript; charset=UTF-8"),
    ("X-XSS-Protection", "0"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
PAGE = ("Referer", "http://here.example/chat?room=1")


class Page:
    """A page that polls by script elements and posts by forms: `ask` is a request, and has its answer."""

    def __init__(
        self, generation: Generation = ENGINEIO_3, *, fields: tuple[tuple[str, str], ...] = (PAGE,), **options: Any
    ) -> None:
        self.generation, self.fields = generation, fields
        self.application = Recorder()
        self.clock = Clock()
        self.engine = Engine(self.application, policy=Policy(**options), driver=self.clock)
        self.sid = ""

    def ask(self, j: str | None = "0", method: str = "GET", body: bytes | None = b"", more: str = "") -> "Answer":
        query = f"EIO={self.generation.revision}&transport=polling"
        query += ("" if j is None else f"&j={j}") + (f"&sid={self.sid}" if self.sid else "") + more
        return Answer(
            self.engine, Request(method, f"/engine.io/?{query}", (("Host", "here.example"), *self.fields)), body
        )

    def open(self, j: str | None = "0", more: str = "") -> "Answer":
        answer = self.ask(j, more=more)
        assert isinstance(answer.decision, Open)
        assert answer.decision.session is not None
        self.sid = answer.decision.session.id
        return answer

    def post(self, *packets: str) -> "Answer":
        return self.ask(method="POST", body=b"d=" + self.spelled(*packets))

    def spelled(self, *packets: str) -> bytes:
        if self.generation is ENGINEIO_4:
            return "\x1e".join(packets).encode()
        return "".join(f"{len(packet)}:{packet}" for packet in packets).encode()


class Answer:
    """An exchange and its decision; without a body, the host has not got it yet."""

    def __init__(self, engine: Engine, request: Request, body: bytes | None) -> None:
        self.request = request
        self.responses: list[Response] = []
        self.decision = admit(engine, request)
        if isinstance(self.decision, Refuse):
            self.responses.append(self.decision.response)
        elif body is not None:
            assert isinstance(self.decision, Open | Resume)
            engine.respond(self.decision, self, body)

    def respond(self, response: Response, written: object = None) -> None:
        self.responses.append(response)

    def take_back(self) -> bool:
        return False

    @property
    def only(self) -> Response:
        (response,) = self.responses
        return response

    @property
    def call(self) -> tuple[int, str]:
        """The index and the payload of a script, which is nothing else."""
        assert (self.only.status, self.only.headers[:4]) == (200, SCRIPT)
        found = re.fullmatch(r'/\*\*/___eio\[([0-9]+)\]\((".*")\);', self.only.body.decode("ascii"))
        assert found
        return int(found[1]), json.decode(found[2])

    @property
    def refusal(self) -> tuple[int, int, str]:
        """The status, the code and the sentence."""
        assert ("Content-Type", "application/json") in self.only.headers
        body = json.decode(self.only.body)
        return self.only.status, body["code"], body["detail"]


@pytest.fixture
def page(generation: Generation) -> Page:
    """A page that has its handshake."""
    page = Page(generation)
    page.open()
    return page


# Every answer is a script


def test_the_handshake_is_a_call_of_the_callback_that_was_asked_for(generation: Generation) -> None:
    index, payload = Page(generation).open("17").call
    assert index == 17
    (packet,) = generation.engineio.decode_payload(payload.encode())
    assert isinstance(packet, str)
    assert packet.startswith('0{"sid":"')


def test_each_answer_calls_the_callback_of_its_own_request(page: Page) -> None:
    for j in ("3", "0", "007", "999999999"):
        parked = page.ask(j)
        assert parked.responses == []
        page.application.session.send("hello")
        assert parked.call == (int(j), page.spelled("4hello").decode())


def test_a_request_without_j_is_answered_without_a_script(page: Page) -> None:
    parked = page.ask(None)
    page.application.session.send("hello")
    assert parked.only.body == page.spelled("4hello")
    assert ("Content-Type", "text/plain; charset=UTF-8") in parked.only.headers


def test_text_and_binary_go_as_text_in_utf_16_units_and_base64() -> None:
    page = Page()
    page.open()
    page.application.session.send('"é😀</script>\u2028')
    page.application.session.send(b"\1\2")
    answer = page.ask()
    assert answer.call == (0, '15:4"é😀</script>\u20286:b4AQI=')
    assert b"<" not in answer.only.body


def test_binary_of_engineio_4_goes_as_base64() -> None:
    page = Page(ENGINEIO_4)
    page.open()
    page.application.session.send(b"\1\2")
    assert page.ask().call == (0, "bAQI=")


def test_a_form_is_answered_with_ok_as_a_page(page: Page) -> None:
    answer = page.post("4a", "4b")
    assert (answer.only.status, answer.only.body) == (200, b"ok")
    assert answer.only.headers[0] == ("Content-Type", "text/html")
    assert page.application.heard == ["a", "b"]


def test_a_form_has_text_line_feeds_and_binary() -> None:
    page = Page()
    page.open()
    page.ask(method="POST", body=b"d=5%3A4%F0%9F%98%80%5Cn%2B4%3A4%5C%5Cn+6%3Ab4AQI%3D")
    assert page.application.heard == ["😀\n+", "\\n ", b"\1\2"]


def test_a_form_of_1x_is_decoded_twice() -> None:
    page = Page()
    page.open()
    page.ask(method="POST", body=b"d=3%3A4%C3%83%C2%A9")
    assert page.application.heard == ["é"]


def test_the_type_of_a_form_does_not_matter(page: Page) -> None:
    page.fields = (PAGE, ("Content-Type", "application/octet-stream"))
    assert page.post("4a").only.body == b"ok"
    assert page.application.heard == ["a"]


# The end


def test_the_goodbye_is_a_script(page: Page) -> None:
    parked = page.ask("5")
    page.application.session.close()
    assert parked.call == (5, page.spelled("1").decode())


def test_the_answer_to_the_clients_goodbye_is_a_script(page: Page) -> None:
    parked = page.ask("5")
    assert page.post("1").only.body == b"ok"
    assert parked.call == (5, page.spelled("6").decode())


def test_of_two_polls_the_older_ends_with_a_script_and_the_newer_with_the_official_refusal(page: Page) -> None:
    older, newer = page.ask("5"), page.ask("6")
    assert older.call == (5, page.spelled("1").decode())
    assert newer.refusal == (400, 3, "two polls at once: wait for the answer to the first")


@pytest.mark.parametrize(
    "body",
    [b"", b"d", b"d=", b"2:4a", b"d=2:4a&x=1", b"d=2:4%", b"d=2:4%zz", b"d=%ff", b"d=9:4a", b"d=\r\n\r\n<script>"],
)
def test_a_broken_form_ends_the_session_and_the_parked_script_says_so(page: Page, body: bytes) -> None:
    parked = page.ask("5")
    answer = page.ask(method="POST", body=body)
    assert answer.refusal == (400, 3, "the form has no payload in d")
    assert parked.call == (5, page.spelled("1").decode())
    assert page.application.closed == [Reason.PARSE_ERROR]


def test_a_form_that_the_host_refuses_ends_the_session_because_its_page_does_not_see_that(page: Page) -> None:
    parked = page.ask("5")
    large = page.ask(method="POST", body=None)
    assert isinstance(large.decision, Resume)
    page.engine.refuse_body(large.decision)
    assert parked.call == (5, page.spelled("1").decode())
    assert page.application.closed == [Reason.TRANSPORT_ERROR]


def test_two_forms_at_once_end_the_session(page: Page) -> None:
    parked, first = page.ask("5"), page.ask(method="POST", body=None)
    assert first.responses == []
    assert page.post("4a").refusal == (400, 3, "two POSTs at once: wait for the answer to the first")
    assert parked.call == (5, page.spelled("1").decode())


# Which j


BAD = "j is not an index of a JSONP callback: it has 1 to 9 digits"
EVIL = [
    "",
    "alert(1)",
    "1;x",
    "1]%28%29;alert(1)//",
    "%0d%0aX-Evil:%201",
    "%3Cscript%3E",
    "-1",
    "%EF%BC%91",
    "9999999999999999999",
    "x" * 100_000,
    "1" * 100_000,
]


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("j", EVIL, ids=lambda j: j[:20] or "empty")
def test_anything_but_digits_is_refused_and_not_repeated(
    generation: Generation, j: str, method: str, resumes: bool
) -> None:
    page = Page(generation)
    if resumes:
        page.open()
    answer = page.ask(j, method)
    assert answer.refusal == (400, 3, BAD)
    assert answer.only == Page(generation).ask("y").only
    assert page.application.closed == []


def test_two_indexes_are_refused(page: Page) -> None:
    assert page.ask("1", more="&j=2").refusal == (400, 3, "the query has j more than once, with different values")


def test_a_websocket_may_have_a_j_of_the_applications_own() -> None:
    fields = (
        ("Host", "here.example"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    )
    request = Request("GET", "/engine.io/?EIO=4&transport=websocket&j=x", fields)
    assert isinstance(admit(Page().engine, request), Open)


def test_jsonp_can_be_switched_off(generation: Generation) -> None:
    page = Page(generation, jsonp=False)
    assert page.ask().refusal == (400, 3, "the query has j, which asks for JSONP: allow it with jsonp=True")
    assert page.open(None).only.status == 200


# Whose page: a script element sends cookies and no Origin, so the page has to be known

FORBIDDEN = (
    "neither Sec-Fetch-Site nor Referer says that a page of this origin asks for JSONP: "
    "let the page send its Referer, or add its origin to cors_origins"
)
THERE = "http://there.example"
SAME_ORIGIN = {
    "the Referer of an old browser": (("Referer", "http://here.example/"),),
    "the Referer with another scheme, behind a proxy that ends TLS": (("Referer", "https://here.example/x"),),
    "the Referer with the default port": (("Referer", "http://here.example:80/"),),
    "the metadata of a new browser": (("Sec-Fetch-Site", "same-origin"),),
    "the Origin of a form": (("Origin", "http://here.example"),),
}
NO_PROOF: dict[str, tuple[tuple[str, str], ...]] = {
    "nothing": (),
    "an empty Referer": (("Referer", ""),),
    "another page": (("Referer", f"{THERE}/"),),
    "another page, says a new browser": (("Sec-Fetch-Site", "cross-site"), ("Referer", f"{THERE}/")),
    "a subdomain": (("Sec-Fetch-Site", "same-site"), ("Referer", "http://sub.here.example/")),
    "an address in the bar": (("Sec-Fetch-Site", "none"),),
    "another port": (("Referer", "http://here.example:8080/"),),
    "the host in the path": (("Referer", f"{THERE}/http://here.example/"),),
    "the host in the query": (("Referer", f"{THERE}?http://here.example/"),),
    "the host as a user": (("Referer", "http://here.example@there.example/"),),
    "the host as a prefix": (("Referer", "http://here.example.there.example/"),),
    "a backslash": (("Referer", "http://there.example\\@here.example/"),),
    "a file": (("Referer", "file:///here.example/"),),
    "a scheme without slashes": (("Referer", "http:here.example"),),
    "a bracket": (("Referer", "http://[here.example/"),),
}


@pytest.mark.parametrize("fields", SAME_ORIGIN.values(), ids=SAME_ORIGIN)
def test_a_page_of_the_same_origin_is_served(generation: Generation, fields: tuple[tuple[str, str], ...]) -> None:
    assert Page(generation, fields=fields).open().call[0] == 0


@pytest.mark.parametrize("fields", NO_PROOF.values(), ids=NO_PROOF)
def test_without_a_proof_that_it_is_such_a_page_it_is_refused(
    generation: Generation, fields: tuple[tuple[str, str], ...]
) -> None:
    page = Page(generation, fields=fields)
    assert page.ask().refusal == (403, 4, FORBIDDEN)
    assert page.application.sessions == []


@pytest.mark.parametrize("fields", NO_PROOF.values(), ids=NO_PROOF)
def test_a_session_does_not_open_its_answers_to_other_pages(fields: tuple[tuple[str, str], ...]) -> None:
    page = Page()
    page.open()
    page.application.session.send("secret")
    page.fields = fields
    assert page.ask().refusal == (403, 4, FORBIDDEN)
    assert page.application.closed == []


@pytest.mark.parametrize(
    "origins", [THERE, [THERE], re.compile(r"http://there\.example"), lambda origin: origin == THERE]
)
def test_a_page_of_an_origin_that_is_allowed_is_served(origins: Any) -> None:
    page = Page(fields=(("Sec-Fetch-Site", "cross-site"), ("Referer", f"{THERE}/")), cors_origins=origins)
    assert page.open().call[0] == 0
    page.fields = (("Referer", "http://elsewhere.example/"),)
    assert page.ask().refusal == (403, 4, FORBIDDEN)
    page.fields = ()
    assert page.ask().refusal == (403, 4, FORBIDDEN)


@pytest.mark.parametrize("referer", ["http://there.example@evil.example/", "http://[there.example/", "http://a:x/"])
def test_a_referer_that_names_no_origin_is_not_even_asked_about(referer: str) -> None:
    page = Page(fields=(("Referer", referer),), cors_origins=lambda origin: True)
    assert page.ask().refusal == (403, 4, FORBIDDEN)


@pytest.mark.parametrize("fields", [(), (("Referer", ""),), (("Referer", "http://a:x/"),)])
@pytest.mark.parametrize("origins", [[THERE, "null"], re.compile(r"http://.*|null")])
def test_a_page_that_hides_its_origin_is_served_where_such_pages_are(
    origins: Any, fields: tuple[tuple[str, str], ...]
) -> None:
    assert Page(fields=(("Origin", "null"),), cors_origins=origins).open().call[0] == 0
    page = Page(fields=fields, cors_origins=origins)
    assert page.open().call[0] == 0
    page.fields = (("Referer", "https://elsewhere.example/"),)
    assert page.ask().refusal == (403, 4, FORBIDDEN)


@pytest.mark.parametrize("fields", NO_PROOF.values(), ids=NO_PROOF)
def test_a_server_for_everybody_asks_no_page_where_it_comes_from(fields: tuple[tuple[str, str], ...]) -> None:
    assert Page(fields=fields, cors_origins="*").open().call[0] == 0


def test_a_form_of_a_foreign_page_is_refused_by_its_origin(page: Page) -> None:
    page.fields = (PAGE, ("Origin", THERE))
    status, code, sentence = page.post("4a").refusal
    assert (status, code) == (403, 4)
    assert sentence.startswith(f"Origin '{THERE}' is not allowed for the host ")
    assert page.application.heard == []
