"""What ASGI servers make impossible: tests of the shared suite that are left out, and why.

A name may have the parameters of one case behind it. `docs/hosts.md` names the reasons.
"""

Cases = dict[str, tuple[str, ...]]
"""The names of tests by the reason for which they are left out."""

REFUSED = (
    "test_another_origin_is_refused_and_the_connection_can_be_used_on",
    "test_too_many_header_lines_are_refused",
    "test_a_refused_client_has_its_answer_and_may_come_again",
)
OPENING = (
    "test_a_handshake_that_is_not_one_is_refused",
    "test_a_handshake_is_a_get",
    "test_a_handshake_of_http_1_0_is_refused",
    "test_odd_headers_change_nothing",
    "test_an_upgrade_that_polling_was_not_asked_for_is_ignored",
)
EARLY = (
    "test_a_frame_behind_the_handshake_is_read",
    "test_a_frame_behind_the_handshake_of_engineio_3_is_read",
    "test_a_broken_frame_behind_the_handshake_closes",
    "test_half_a_frame_behind_the_handshake_waits_for_the_other",
    "test_a_large_message_behind_the_handshake_is_read",
    "test_a_conversation_byte_by_byte_is_the_same",
    "test_a_client_changes_from_polling_to_a_websocket",
    "test_a_second_websocket_of_a_session_is_closed_after_its_101",
    "test_a_handler_sees_the_request",
    "test_an_upgrade_under_way_ends_on_both_of_its_connections",
    "test_an_event_and_the_end",
    "test_a_frame_in_the_segment_of_the_handshake",
    "test_a_broken_frame_ends_its_session_and_no_other",
)
PIPELINED = ("test_a_poll_and_the_end", "test_bytes_behind_a_poll_that_waits_and_the_end")
CODES_OF_FRAMES = ("test_what_a_client_says_last_is_answered_with_a_code",)
CLOSE_CODES = (
    "test_websockets_are_told_with_1001_and_their_sockets_close",
    "test_what_was_sent_comes_before_the_goodbye",
    "test_who_was_at_the_door_is_told_too",
    "test_handlers_that_run_are_waited_for",
    "test_bare_engineio_ends_too",
    "test_events_are_answered_and_sent_to_all",
    "test_messages_up_to_the_limit_are_taken_and_one_byte_more_is_not",
    "test_a_close_frame_without_a_code_is_answered_without_one",
)
OWN_FIELDS = ("test_the_handshake_is_answered",)
NO_FIELDS = (
    *OWN_FIELDS,
    "test_the_handshake_brings_cors_and_the_cookie",
    "test_a_handshake_waits_for_a_decision_and_nobody_else_does[a WebSocket of Engine.IO 3-&name=Ann]",
    "test_a_handshake_waits_for_a_decision_and_nobody_else_does[a WebSocket of Engine.IO 4-&name=Ann]",
)
REPEATED = ("test_a_length_that_a_proxy_has_repeated_is_one_length",)
ABSOLUTE = ("test_a_target_in_absolute_form_is_served", "test_a_page_whose_own_name_points_here_is_refused")
HTTP_1_0 = ("test_a_client_of_http_1_0_gets_the_content_without_chunks",)
TWO_LENGTHS = ("test_a_body_with_two_lengths_is_refused",)

EVERYWHERE: Cases = {
    "An application cannot cut a connection: the answer is 408": (
        "test_half_a_body_ends_the_connection_and_the_session",
        "test_half_a_body_of_a_refused_request_ends_the_connection",
    ),
    "An answer that is not complete would be an error in the log: an event stream ends complete": (
        "test_events_come_one_by_one_each_in_a_chunk",
        "test_who_asks_while_the_server_closes_gets_an_incomplete_answer",
    ),
    "The server cuts an answer into chunks": (
        "test_what_was_missed_comes_whole_however_much_it_is",
        "test_an_htmlfile",
        "test_an_xhr_multipart",
    ),
    "What the server has taken counts as sent": ("test_an_answer_that_no_connection_could_take_comes_again",),
    "The timeout of a client that has frozen is the server's": ("test_one_that_has_frozen_holds_up_nobody_for_ever",),
    "The server checks the opening handshake of a WebSocket": OPENING,
}
WEBSOCKETS: Cases = {"The server chooses the close codes for malformed frames": CODES_OF_FRAMES}
UVICORN: Cases = {
    "It closes the connection of a refused WebSocket": REFUSED,
    "It does not tell which subprotocols were offered in several header lines": ("test_a_subprotocol_is_agreed_on",),
    "It answers a head that is too large itself": (
        "test_too_large_a_head_is_refused_and_the_neighbours_notice_nothing",
    ),
    "It does not read frames that precede its 101": EARLY,
    "It refuses a length that a proxy has repeated": REPEATED,
    "It ignores the host of a request target in absolute form": ABSOLUTE,
    "It answers HTTP/1.0 in chunks": HTTP_1_0,
    "It does not notice the end of a connection behind a poll with another request": PIPELINED[:1],
}
UVICORN_H11: Cases = {
    "h11 takes a body with two lengths for one in chunks": TWO_LENGTHS,
    "It does not notice the end of a connection behind a poll with a part of another request": PIPELINED[1:],
}
HYPERCORN: Cases = {
    "It closes the connection of a refused WebSocket": REFUSED,
    "It does not tell which subprotocols were offered in several header lines": ("test_a_subprotocol_is_agreed_on",),
    "It adds header fields to a 101": OWN_FIELDS,
    "It answers frames that precede its 101 with 400": (
        *EARLY,
        "test_the_end_behind_the_handshake_leaves_nothing",
        "test_a_failed_upgrade_leaves_the_session_on_polling",
    ),
    "h11 takes a body with two lengths for one in chunks": TWO_LENGTHS,
    "It does not notice the end of a connection behind a poll with another request, or a part of one": PIPELINED,
    "It drops a request whose connection has been reset": ("test_a_part_of_a_post_and_the_end[reset]",),
    "It keeps a poll whose client has ended its own side of the connection": (
        "test_a_request_of_0_9_that_waits_and_the_end[xhr-polling-half_close]",
    ),
}
GRANIAN: Cases = {
    "It answers too many header lines itself": ("test_too_many_header_lines_are_refused",),
    "It drops the header fields of a 101": NO_FIELDS,
    "It chooses the close codes of frames that precede its 101": (
        "test_a_broken_frame_behind_the_handshake_closes",
        "test_a_conversation_byte_by_byte_is_the_same",
        "test_a_broken_frame_ends_its_session_and_no_other",
    ),
    "It takes a body with two lengths for one in chunks": TWO_LENGTHS,
    "It refuses a length that a proxy has repeated": REPEATED,
    "It ignores the host of a request target in absolute form": ABSOLUTE,
    "It answers HTTP/1.0 in chunks": HTTP_1_0,
    "It does not notice the end of a connection behind a poll with another request, or a part of one": PIPELINED,
    "It tells of the end of a client later": (
        "test_a_client_that_goes_meanwhile_is_forgotten",
        "test_the_end_behind_the_handshake_leaves_nothing",
        "test_what_no_connection_could_take_comes_over_the_next",
    ),
}
DAPHNE: Cases = {
    "It refuses a WebSocket with a bare 403": (
        *REFUSED,
        "test_nobody_is_let_in_any_more",
        "test_a_function_refuses_before_the_greeting",
        "test_a_handshake_waits_for_a_decision_and_nobody_else_does[a WebSocket of Engine.IO 3-]",
        "test_a_handshake_waits_for_a_decision_and_nobody_else_does[a WebSocket of Engine.IO 4-]",
        "test_a_refused_websocket_gets_the_reason_and_leaves_no_error_in_the_log",
    ),
    "It drops the header fields of a 101": NO_FIELDS,
    "It answers frames that precede its 101 with an error": EARLY,
    "It has no close codes but 1000, and 3000 to 4999": CLOSE_CODES,
    "It calls the application once a body is complete": (
        "test_of_two_posts_the_later_is_refused_and_nothing_is_left_waiting",
        "test_a_body_far_above_the_limit_is_refused_before_it_comes",
        "test_a_body_without_end_is_refused_after_a_while",
        "test_a_post_that_is_given_up_ends_the_session_and_its_poll_is_answered",
        "test_a_post_whose_session_ends_before_its_body_is_refused_and_closed",
        "test_a_part_of_a_post_and_the_end",
        "test_a_reset_at_each_byte_of_a_poll_and_a_post",
        "test_half_a_body_is_answered_with_408_and_ends_the_session",
    ),
    "It closes the connection of a malformed request without an answer": (
        "test_an_unknown_transport_is_refused[name6]",
        "test_what_is_no_length_is_refused[length8]",
    ),
    "It keeps what a client does not read, however much it is": (
        "test_one_that_never_reads_is_cut_and_the_others_go_on",
    ),
    "It refuses a length that a proxy has repeated": REPEATED,
    "It answers HTTP/1.0 in chunks": HTTP_1_0,
    "It keeps the connection behind an event stream": (
        "test_the_end_of_a_channel_is_the_last_chunk_and_then_there_is_no_content",
    ),
}
CASES: dict[str, tuple[Cases, ...]] = {
    "uvicorn": (EVERYWHERE, UVICORN, WEBSOCKETS),
    "uvicorn-ours": (EVERYWHERE, UVICORN),
    "uvicorn-h11": (EVERYWHERE, UVICORN, WEBSOCKETS, UVICORN_H11),
    "uvicorn-wsproto": (EVERYWHERE, UVICORN, WEBSOCKETS),
    "hypercorn": (EVERYWHERE, WEBSOCKETS, HYPERCORN),
    "granian": (EVERYWHERE, WEBSOCKETS, GRANIAN),
    "daphne": (EVERYWHERE, WEBSOCKETS, DAPHNE),
}
IMPOSSIBLE = {
    server: {name: reason for cases in several for reason, names in cases.items() for name in names}
    for server, several in CASES.items()
}
