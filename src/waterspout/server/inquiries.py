"""Questions to the clients of all nodes: how one node puts the answers together, and what the others answer.

A question ends when each node has answered, has died, or at the deadline. It never fails because of another node: the
result names the nodes that have not answered.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from ..engine import Pending, on_core
from .acks import Replies
from .cluster import Ask, Count, Fetch, Question, pack, unpack, whom
from .presence import Presence, Present, describe
from .rooms import Audience

if TYPE_CHECKING:
    from .namespace import Namespace

GRACE = 0.5  # s beyond the timeout of a call, for the other nodes' answers to arrive

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many clients there are, and the nodes that did not answer."""

    sockets: int
    missing: tuple[str, ...] = ()


NONE_HERE = Headcount(0)
NOBODY_HERE = Presence(())
NOBODY_ASKED = Replies({}, ())


class _Reply(NamedTuple):
    """What a client of another node has answered: several values are a tuple, in `values`. None: it has not."""

    id: str
    values: list[Any] | None = None


_presents: msgspec.msgpack.Decoder[Present] = msgspec.msgpack.Decoder(Present)
_counts: msgspec.msgpack.Decoder[int] = msgspec.msgpack.Decoder(int)
_replies: msgspec.msgpack.Decoder[_Reply] = msgspec.msgpack.Decoder(_Reply)


# What this node asks


def fetch_sockets(namespace: "Namespace[Any]", audience: Audience, timeout: float) -> Pending[Presence]:
    """Ask who is there."""
    here = _here(namespace, lambda: Presence(tuple(_presents_of(namespace, audience))))
    question = Fetch(namespace=namespace.name, number=namespace.cluster.number())
    return _gather(namespace, question, audience, timeout, here, read_presence)


def fetch_count(namespace: "Namespace[Any]", audience: Audience, timeout: float) -> Pending[Headcount]:
    """Ask how many clients there are."""
    here = _here(namespace, lambda: Headcount(namespace.count_here(audience)))
    question = Count(namespace=namespace.name, number=namespace.cluster.number())
    return _gather(namespace, question, audience, timeout, here, read_headcount)


def call(
    namespace: "Namespace[Any]", event: str, args: tuple[Any, ...], audience: Audience, timeout: float
) -> Pending[Replies]:
    """Ask clients for acknowledgements. TypeError or AdapterError, before anybody is asked, for what cannot be sent."""

    def here() -> Pending[Replies]:
        return namespace.call_here(event, args, audience, timeout)

    if namespace.cluster.is_alone:  # without a question, whose arguments would be copied
        return here()
    question = Ask(
        event=event, args=list(args), timeout=timeout, namespace=namespace.name, number=namespace.cluster.number()
    )
    return _gather(namespace, question, audience, timeout + GRACE, here, read_replies)


def _here(namespace: "Namespace[Any]", look: Callable[[], T]) -> Callable[[], Pending[T]]:
    """Make a function whose result is what is found on the core's thread."""

    def here() -> Pending[T]:
        pending: Pending[T] = Pending(namespace.engine.driver)
        on_core(namespace.engine.driver, lambda: pending.resolve(look()))
        return pending

    return here


def _gather(
    namespace: "Namespace[Any]",
    question: Question,
    audience: Audience,
    timeout: float,
    here: Callable[[], Pending[T]],
    result: Callable[[list[msgspec.Raw], tuple[str, ...], T], T],
) -> Pending[T]:
    """Ask the clients that are `here`, and all other nodes."""
    cluster, driver = namespace.cluster, namespace.engine.driver
    message = cluster.address(question, audience)
    own = here()
    if message is None:
        return own
    pending: Pending[T] = Pending(driver, namespace.engine.log)
    found: list[msgspec.Raw] = []

    def end(missing: tuple[str, ...]) -> None:
        own.when_done(lambda own: pending.resolve(result(found, missing, own.result())))

    on_core(driver, cluster.ask, question.number, message, timeout, found.extend, end)
    return pending


# What the items of the answers mean; one that cannot be read is left out


def read_presence(items: Iterable[msgspec.Raw], missing: tuple[str, ...], own: Presence = NOBODY_HERE) -> Presence:
    """Return who is there: those of the asker's `own` node, and of the others."""
    return Presence((*own.sockets, *_read(_presents, items)), missing)


def read_headcount(items: Iterable[msgspec.Raw], missing: tuple[str, ...], own: Headcount = NONE_HERE) -> Headcount:
    """Return how many there are, as `read_presence` does."""
    return Headcount(own.sockets + sum(_read(_counts, items)), missing)


def read_replies(items: Iterable[msgspec.Raw], missing: tuple[str, ...], own: Replies = NOBODY_ASKED) -> Replies:
    """Return what clients have answered, as `read_presence` does."""
    replies = list(_read(_replies, items))
    answers = {one.id: tuple(one.values) if len(one.values) > 1 else one.values[0] for one in replies if one.values}
    silent = (one.id for one in replies if not one.values)
    return Replies({**own.answers, **answers}, (*own.missing, *silent), missing)


def _read(decoder: msgspec.msgpack.Decoder[T], items: Iterable[msgspec.Raw]) -> Iterator[T]:
    for item in items:
        if (value := unpack(decoder, item)) is not None:
            yield value


# What other nodes ask


def answer(namespace: "Namespace[Any]", question: Question, largest: int | None) -> Pending[list[msgspec.Raw]]:
    """Answer another node's question, in items of at most `largest` bytes."""
    audience = whom(question)
    pending: Pending[list[msgspec.Raw]] = Pending(namespace.engine.driver)
    if isinstance(question, Ask):
        called = namespace.call_here(question.event, tuple(question.args), audience, question.timeout)
        called.when_done(lambda called: pending.resolve(_pack_replies(called.result(), largest)))
    elif isinstance(question, Fetch):
        pending.resolve([_pack_present(present, largest) for present in _presents_of(namespace, audience)])
    else:
        pending.resolve([_packed(namespace.count_here(audience))])
    return pending


def _presents_of(namespace: "Namespace[Any]", audience: Audience) -> list[Present]:
    return [describe(socket) for socket in namespace.sockets_here(audience)]


def _pack_present(present: Present, largest: int | None) -> msgspec.Raw:
    """Write a client; of its data only what can be sent, and nothing of what is too much."""
    packed = pack(present)
    if packed is None:
        data = {key: value for key, value in present.data.items() if pack({key: value}) is not None}
        packed = _packed(replace(present, data=data))
    return packed if largest is None or len(packed) <= largest else _packed(replace(present, data={}))


def _pack_replies(replies: Replies, largest: int | None) -> list[msgspec.Raw]:
    """Write what clients have answered; one whose answer is too much has not."""
    items = [_packed(_Reply(id)) for id in replies.missing]
    for id, value in replies.answers.items():
        packed = pack(_Reply(id, list(value) if isinstance(value, tuple) else [value]))
        fits = packed is not None and (largest is None or len(packed) <= largest)
        items.append(packed if packed is not None and fits else _packed(_Reply(id)))
    return items


def _packed(value: object) -> msgspec.Raw:
    packed = pack(value)
    assert packed is not None
    return packed
