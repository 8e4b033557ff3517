"""The table of hosts in docs/hosts.md: what each can do, by tests of the shared suite.

`scripts/hosts` runs these tests and writes the table from the results; `tests/hosts/test_hosts_page.py` compares it
with what the tests of this version are.
"""

import re
from collections.abc import Callable
from importlib.metadata import version

from hosts.asgi_cases import DAPHNE, EVERYWHERE, GRANIAN, HYPERCORN, IMPOSSIBLE, UVICORN, UVICORN_H11, WEBSOCKETS, Cases

OWN = ("tornado", "gevent")
HOSTS = (*OWN, "uvicorn-ours", "uvicorn", "hypercorn", "granian", "daphne")
HEADS = {"uvicorn-ours": "uvicorn, with protocols of ours"}
ROWS = {
    "Long polling": "test_a_poll_that_is_given_up_ends_the_session",
    "WebSockets": "test_messages_are_echoed_whatever_their_frames",
    "Event streams at exposed paths": "test_a_function_may_take_its_time_and_refuse",
    "Plain WebSockets at exposed paths": "test_a_subscriber_resumes",
    "Clients of 0.7 to 0.9": "test_a_session_goes_on_where_its_client_comes_next",
    "The origin of pages is checked": "test_a_page_comes_in_where_the_policy_has_its_origin",
    "A refused WebSocket gets status and text": "test_a_function_refuses_before_the_greeting",
    "The answer to a WebSocket's handshake brings CORS and the cookie": (
        "test_the_handshake_brings_cors_and_the_cookie"
    ),
    "A WebSocket closes with 1001 when the server ends": "test_what_was_sent_comes_before_the_goodbye",
    "Frames that precede the 101 are read": "test_a_frame_behind_the_handshake_is_read",
    "A body that is too large is refused before it has come": (
        "test_a_body_far_above_the_limit_is_refused_before_it_comes"
    ),
    "A client that reads nothing is cut": "test_one_that_never_reads_is_cut_and_the_others_go_on",
    "A client that vanishes behind a poll is noticed, with part of a request behind it": (
        "test_bytes_behind_a_poll_that_waits_and_the_end"
    ),
    "What has not left is sent again (0.7 to 0.9)": "test_an_answer_that_no_connection_could_take_comes_again",
    "Malformed frames are answered with the code for them": "test_what_a_client_says_last_is_answered_with_a_code",
}
"""Tests by what they show."""
LEFT_OUT = {
    "All of them": EVERYWHERE,
    "All of them, but uvicorn with protocols of ours": WEBSOCKETS,
    "uvicorn": UVICORN,
    "uvicorn with h11": UVICORN_H11,
    "hypercorn": HYPERCORN,
    "granian": GRANIAN,
    "daphne": DAPHNE,
}
BEGIN, END = "<!-- scripts/hosts writes this table -->\n", "<!-- up to here -->\n"


def table(passes: Callable[[str, str], bool]) -> str:
    """Write the table, and what the tests leave out; `passes` tells whether a test passes on a host."""
    lines = [
        f"| | {' | '.join(HEADS.get(host, host) for host in HOSTS)} |",
        "|---|" + "---|" * len(HOSTS),
        f"| tested version | {' | '.join(map(_version, HOSTS))} |",
    ]
    for title, test in ROWS.items():
        cells = " | ".join("yes" if passes(host, test) else "no" for host in HOSTS)
        lines.append(f"| {title} | {cells} |")
    lines += ["", "What the tests leave out on an ASGI server, and why:", ""]
    lines += [f"- **{name}:** {_sentences(cases)}." for name, cases in LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


def expected() -> str:
    """Return the table as it is if all tests pass that are not left out."""
    return table(lambda host, test: host in OWN or test not in IMPOSSIBLE[host])


def _sentences(cases: Cases) -> str:
    return "; ".join(reason[0].lower() + reason[1:] for reason in cases)


def _version(host: str) -> str:
    return ".".join(version(host.partition("-")[0]).split(".")[:2])


def replaced(page: str, text: str) -> str:
    """Put the table in its place."""
    return re.sub(f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", lambda found: text, page, flags=re.DOTALL)
