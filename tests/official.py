"""The tests of the official conformance suites, and the tests of our own that look at the same.

The suites are those of the repositories socketio/engine.io-protocol and socketio/socket.io-protocol. Below a
suite stand its parts, below a part the names of its tests with the names of ours, which are parametrised by
the suite where they serve several.
"""

FILES = {
    "Engine.IO protocol": "tests/engine/test_official_engineio.py",
    "Socket.IO protocol": "tests/engine/test_official_socketio.py",
}
"""Where ours are, by the first words of a part."""

OFFICIAL = {
    "Engine.IO 3": {
        "Engine.IO protocol > handshake > HTTP long-polling": {
            "successfully opens a session": "test_polling_opens_a_session",
            "fails with an invalid 'transport' query parameter": "test_a_request_without_a_known_transport_is_refused",
            "fails with an invalid request method": "test_a_session_does_not_begin_with_another_method",
        },
        "Engine.IO protocol > handshake > WebSocket": {
            "successfully opens a session": "test_a_websocket_opens_a_session",
            "fails with an invalid 'EIO' query parameter": "test_a_websocket_without_a_known_revision_is_refused",
            "fails with an invalid 'transport' query parameter": (
                "test_a_websocket_without_a_known_transport_is_refused"
            ),
        },
        "Engine.IO protocol > message > HTTP long-polling": {
            "sends and receives a payload containing one plain text packet": "test_polling_echoes_a_text",
            "sends and receives a payload containing several plain text packets": "test_polling_echoes_several_texts",
            "sends and receives a payload containing plain text and binary packets (base64 encoded)": (
                "test_polling_echoes_text_and_base64"
            ),
            "sends and receives a payload containing plain text and binary packets (binary)": (
                "test_polling_echoes_text_and_octets"
            ),
            "closes the session upon invalid packet format": "test_polling_ends_with_a_broken_packet",
        },
        "Engine.IO protocol > message > WebSocket": {
            "sends and receives a plain text packet": "test_a_websocket_echoes_text",
            "sends and receives a binary packet": "test_a_websocket_echoes_binary",
            "closes the session upon invalid packet format": "test_a_websocket_ends_with_a_broken_packet",
        },
        "Engine.IO protocol > heartbeat > HTTP long-polling": {
            "sends ping/pong packets": "test_polling_exchanges_heartbeats",
            "closes the session upon ping timeout": "test_polling_ends_without_heartbeats",
        },
        "Engine.IO protocol > heartbeat > WebSocket": {
            "sends ping/pong packets": "test_a_websocket_exchanges_heartbeats",
            "closes the session upon ping timeout": "test_a_websocket_ends_without_heartbeats",
        },
        "Engine.IO protocol > close > HTTP long-polling": {
            "forcefully closes the session": "test_polling_ends_with_a_close_packet",
        },
        "Engine.IO protocol > close > WebSocket": {
            "forcefully closes the session": "test_a_websocket_ends_with_a_close_packet",
        },
        "Engine.IO protocol > upgrade": {
            "successfully upgrades from HTTP long-polling to WebSocket": (
                "test_a_session_goes_from_polling_to_a_websocket"
            ),
            "ignores HTTP requests with same sid after upgrade": "test_polling_is_refused_after_the_upgrade",
            "ignores WebSocket connection with same sid after upgrade": (
                "test_a_second_websocket_is_closed_after_the_upgrade"
            ),
        },
    },
    "Engine.IO 4": {
        "Engine.IO protocol > handshake > HTTP long-polling": {
            "successfully opens a session": "test_polling_opens_a_session",
            "fails with an invalid 'EIO' query parameter": "test_polling_without_a_known_revision_is_refused",
            "fails with an invalid 'transport' query parameter": "test_a_request_without_a_known_transport_is_refused",
            "fails with an invalid request method": "test_a_session_does_not_begin_with_another_method",
        },
        "Engine.IO protocol > handshake > WebSocket": {
            "successfully opens a session": "test_a_websocket_opens_a_session",
            "fails with an invalid 'EIO' query parameter": "test_a_websocket_without_a_known_revision_is_refused",
            "fails with an invalid 'transport' query parameter": (
                "test_a_websocket_without_a_known_transport_is_refused"
            ),
        },
        "Engine.IO protocol > message > HTTP long-polling": {
            "sends and receives a payload containing one plain text packet": "test_polling_echoes_a_text",
            "sends and receives a payload containing several plain text packets": "test_polling_echoes_several_texts",
            "sends and receives a payload containing plain text and binary packets": (
                "test_polling_echoes_text_and_base64"
            ),
            "closes the session upon invalid packet format": "test_polling_ends_with_a_broken_packet",
            "closes the session upon duplicate poll requests": "test_polling_ends_with_two_polls_at_once",
            "closes the session upon cancelled polling request": "test_polling_ends_with_a_poll_that_is_given_up",
        },
        "Engine.IO protocol > message > WebSocket": {
            "sends and receives a plain text packet": "test_a_websocket_echoes_text",
            "sends and receives a binary packet": "test_a_websocket_echoes_binary",
            "closes the session upon invalid packet format": "test_a_websocket_ends_with_a_broken_packet",
        },
        "Engine.IO protocol > heartbeat > HTTP long-polling": {
            "sends ping/pong packets": "test_polling_exchanges_heartbeats",
            "closes the session upon ping timeout": "test_polling_ends_without_heartbeats",
        },
        "Engine.IO protocol > heartbeat > WebSocket": {
            "sends ping/pong packets": "test_a_websocket_exchanges_heartbeats",
            "closes the session upon ping timeout": "test_a_websocket_ends_without_heartbeats",
        },
        "Engine.IO protocol > close > HTTP long-polling": {
            "forcefully closes the session": "test_polling_ends_with_a_close_packet",
        },
        "Engine.IO protocol > close > WebSocket": {
            "forcefully closes the session": "test_a_websocket_ends_with_a_close_packet",
        },
        "Engine.IO protocol > upgrade": {
            "successfully upgrades from HTTP long-polling to WebSocket": (
                "test_a_session_goes_from_polling_to_a_websocket"
            ),
            "ignores HTTP requests with same sid after upgrade": "test_polling_is_refused_after_the_upgrade",
            "ignores WebSocket connection with same sid after upgrade": (
                "test_a_second_websocket_is_closed_after_the_upgrade"
            ),
        },
    },
    "Socket.IO 5": {
        "Engine.IO protocol > handshake > HTTP long-polling": {
            "should successfully open a session": "test_polling_opens_a_session",
            "should fail with an invalid 'EIO' query parameter": "test_polling_without_a_known_revision_is_refused",
            "should fail with an invalid 'transport' query parameter": (
                "test_a_request_without_a_known_transport_is_refused"
            ),
            "should fail with an invalid request method": "test_a_session_does_not_begin_with_another_method",
        },
        "Engine.IO protocol > handshake > WebSocket": {
            "should successfully open a session": "test_a_websocket_opens_a_session",
            "should fail with an invalid 'EIO' query parameter": "test_a_websocket_without_a_known_revision_is_refused",
            "should fail with an invalid 'transport' query parameter": (
                "test_a_websocket_without_a_known_transport_is_refused"
            ),
        },
        "Engine.IO protocol > heartbeat > HTTP long-polling": {
            "should send ping/pong packets": "test_polling_exchanges_heartbeats",
            "should close the session upon ping timeout": "test_polling_ends_without_heartbeats",
        },
        "Engine.IO protocol > heartbeat > WebSocket": {
            "should send ping/pong packets": "test_a_websocket_exchanges_heartbeats",
            "should close the session upon ping timeout": "test_a_websocket_ends_without_heartbeats",
        },
        "Engine.IO protocol > close > HTTP long-polling": {
            "should forcefully close the session": "test_polling_ends_with_a_close_packet",
        },
        "Engine.IO protocol > close > WebSocket": {
            "should forcefully close the session": "test_a_websocket_ends_with_a_close_packet",
        },
        "Engine.IO protocol > upgrade": {
            "should successfully upgrade from HTTP long-polling to WebSocket": (
                "test_a_session_goes_from_polling_to_a_websocket"
            ),
            "should ignore HTTP requests with same sid after upgrade": "test_polling_is_refused_after_the_upgrade",
            "should ignore WebSocket connection with same sid after upgrade": (
                "test_a_second_websocket_is_closed_after_the_upgrade"
            ),
        },
        "Socket.IO protocol > connect": {
            "should allow connection to the main namespace": "test_a_client_enters_the_main_namespace",
            "should allow connection to the main namespace with a payload": (
                "test_a_client_enters_the_main_namespace_with_a_payload"
            ),
            "should allow connection to a custom namespace": "test_a_client_enters_another_namespace",
            "should allow connection to a custom namespace with a payload": (
                "test_a_client_enters_another_namespace_with_a_payload"
            ),
            "should disallow connection to an unknown namespace": "test_an_unknown_namespace_cannot_be_entered",
            "should disallow connection with an invalid handshake": "test_a_broken_handshake_ends_the_connection",
            "should close the connection if no handshake is received": "test_a_missing_handshake_ends_the_connection",
        },
        "Socket.IO protocol > disconnect": {
            "should disconnect from the main namespace": "test_a_client_leaves_the_main_namespace",
            "should connect then disconnect from a custom namespace": (
                "test_a_client_enters_and_leaves_another_namespace"
            ),
        },
        "Socket.IO protocol > message": {
            "should send a plain-text packet": "test_a_text_comes_back",
            "should send a packet with binary attachments": "test_attachments_come_back",
            "should send a plain-text packet with an ack": "test_a_text_is_acknowledged",
            "should send a packet with binary attachments and an ack": "test_attachments_are_acknowledged",
            "should close the connection upon invalid format (unknown packet type)": (
                "test_an_unknown_type_ends_the_connection"
            ),
            "should close the connection upon invalid format (invalid payload format)": (
                "test_data_that_is_no_list_ends_the_connection"
            ),
            "should close the connection upon invalid format (invalid ack id)": (
                "test_an_id_that_is_no_number_ends_the_connection"
            ),
        },
    },
}

SKIPPED = {
    "Engine.IO 3": {
        "Engine.IO protocol > message > HTTP long-polling": {
            "closes the session upon duplicate poll requests": "test_polling_ends_with_two_polls_at_once",
        },
    },
}
"""What a suite has, but does not run; we do."""
