"""How a channel's log is kept in Redis: its keys, the scripts that change them, and the bytes of an entry.

How it works: a log is a stream, whose ids are `offset-0`, and a hash with what must not be lost with the entries: the
epoch, the head, the options, the end. A second hash has the last batch of each writer, so that a batch that is given
again is not appended twice. All keys of a log have one hash tag, so that they are on one server of a Redis Cluster.

The script that appends gives the offsets, trims, and publishes each entry to the log's topic. It publishes last: what
Redis refuses to publish was appended as a whole, and is not appended again with the batch. Both scripts compare the
`run_id` of the Redis with the one that the log was last used by. If it differs, Redis was restarted, perhaps with older
data, or is another one: offsets could be given twice, so the log gets a new epoch.

What somebody else has added to the stream is no entry: readers drop it, and it is trimmed at its time. If it keeps the
next offset from being added, the stream begins anew.

Stream and hashes expire when nobody appends: the entries after `ttl`, all else an hour later.
"""

from collections.abc import Mapping
from hashlib import sha1
from math import isinf
from typing import Any, NamedTuple

import msgspec

from ..errors import DecodeError
from ..server.log import Retention
from ..server.shared import Batch, StoredEntry
from ..wire import surrogates

KEPT_LONGER = 3600  # s beyond `ttl` that a log without entries is remembered

_BEGIN = """
local KEPT_LONGER = 3600000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local log, stream, writers = KEYS[1], KEYS[2], KEYS[3]
local has = redis.call('HMGET', log, 'epoch', 'run', 'head', 'total', 'base', 'due', 'end', 'options', 'limits')
local epoch = has[1]
if not epoch then
  redis.call('DEL', stream, writers)
end
if has[2] ~= run then
  epoch = ARGV[1]
  redis.call('HSET', log, 'epoch', epoch, 'run', run)
end
local options, limits = has[8] or '', has[9] or ARGV[3]
if ARGV[2] ~= '' then
  options, limits = ARGV[2], ARGV[3]
  redis.call('HSET', log, 'options', options, 'limits', limits, 'due', 0)
  has[6] = 0
end
local most, ttl, bytes = string.match(limits, '(%d+) (%d+) (%d+)')
most, ttl, bytes = tonumber(most), tonumber(ttl), tonumber(bytes)
local head, total, base = tonumber(has[3] or 0), tonumber(has[4] or 0), tonumber(has[5] or 0)
local function keep()
  if ttl == 0 then
    redis.call('PERSIST', log)
    redis.call('PERSIST', writers)
  else
    redis.call('PEXPIRE', log, ttl + KEPT_LONGER)
    redis.call('PEXPIRE', writers, ttl + KEPT_LONGER)
  end
end
"""

_APPEND = (
    _BEGIN
    + """
local known = redis.call('HGET', writers, ARGV[4])
if known then
  local number, first, taken = string.match(known, '^(%d+) (%d+) (%d+)')
  if number == ARGV[5] then
    return {epoch, tonumber(first), tonumber(taken)}
  end
end
local first, taken, ended = head + 1, 0, has[7]
for place = 8, #ARGV do
  if ended then
    break
  end
  local entry = ARGV[place]
  head, taken, total = head + 1, taken + 1, total + #entry + 150
  if place - 7 == tonumber(ARGV[6]) then
    ended = head .. ' ' .. now .. ' ' .. entry
    redis.call('HSET', log, 'end', ended)
  end
  if most > 0 then
    local added = redis.pcall('XADD', stream, head .. '-0', 'e', entry, 't', now, 'c', total)
    if type(added) == 'table' and added.err and string.find(added.err, 'equal or smaller') then
      redis.call('DEL', stream)
      added = redis.pcall('XADD', stream, head .. '-0', 'e', entry, 't', now, 'c', total)
    end
    if type(added) == 'table' and added.err then
      return added
    end
  end
end
local count, due = redis.call('XLEN', stream), tonumber(has[6] or 0)
local is_trimmed = count > most or count <= taken
if count > most then
  redis.call('XTRIM', stream, 'MAXLEN', '=', most)
  count = most
end
for _ = 1, 1000 do
  if not (is_trimmed or due <= now or total - base > bytes) then
    break
  end
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not oldest then
    base, due = total, 0
    break
  end
  local fields = oldest[2]
  local before, at = tonumber(fields[6]), tonumber(fields[4])
  if before and at then
    base = before - #fields[2] - 150
    due = ttl == 0 and now + 1e12 or at + ttl
  end
  is_trimmed = not (before and at) or due <= now or (total - base > bytes and count > 1)
  if not is_trimmed then
    break
  end
  redis.call('XDEL', stream, oldest[1])
  count = count - 1
end
redis.call('HSET', log, 'head', head, 'total', total, 'base', base, 'due', due)
if redis.call('HSET', writers, ARGV[4], ARGV[5] .. ' ' .. first .. ' ' .. taken .. ' ' .. now) == 1
  and redis.call('HLEN', writers) > 200 then
  local all = redis.call('HGETALL', writers)
  local times = {}
  for place = 2, #all, 2 do
    times[#times + 1] = tonumber(string.match(all[place], '(%d+)$'))
  end
  table.sort(times)
  for place = 2, #all, 2 do
    if tonumber(string.match(all[place], '(%d+)$')) < times[#times - 100] then
      redis.call('HDEL', writers, all[place - 1])
    end
  end
end
keep()
if ttl > 0 then
  redis.call('PEXPIRE', stream, ttl)
else
  redis.call('PERSIST', stream)
end
for place = 1, taken do
  local word = epoch .. ' ' .. first + place - 1 .. ' ' .. now .. ' ' .. ARGV[7 + place]
  local published = redis.pcall('PUBLISH', ARGV[7], word)
  if type(published) == 'table' and published.err then
    return published
  end
end
return {epoch, first, taken}
"""
)

_READ = (
    _BEGIN
    + """
if ARGV[2] ~= '' or not has[1] or has[2] ~= run then
  redis.call('HSET', log, 'head', head)
end
keep()
local entries, size = {}, 0
local limit = tonumber(ARGV[5])
if limit > 0 then
  for _, found in ipairs(redis.call('XRANGE', stream, '(' .. ARGV[4] .. '-0', '+', 'COUNT', limit)) do
    size = size + #found[2][2]
    if size > 4000000 and #entries > 0 then
      break
    end
    entries[#entries + 1] = string.match(found[1], '%d+') .. ' ' .. (found[2][4] or '') .. ' ' .. found[2][2]
  end
end
local first = math.max(head - redis.call('XLEN', stream), 0) + 1
return {epoch, head, first, now, has[7] or '', options, entries}
"""
)


class Script(NamedTuple):
    """A script of Redis, with the name by which it is called once Redis knows it."""

    text: bytes
    name: bytes


def _script(text: str) -> Script:
    return Script(text.encode(), sha1(text.encode()).hexdigest().encode())


APPEND, READ = _script(_APPEND), _script(_READ)


class _Blob(msgspec.Struct, frozen=True, array_like=True):
    data: bytes
    event: str | None = None
    is_text: bool = False
    is_end: bool = False


_encoder = msgspec.msgpack.Encoder()
_blobs = msgspec.msgpack.Decoder(_Blob)
_options = msgspec.msgpack.Decoder(dict[str, Any])


def keys_of(name: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the keys of a log."""
    return b"{%b}:log" % name, b"{%b}:entries" % name, b"{%b}:writers" % name


def append_arguments(
    topic: bytes, batch: Batch, options: Mapping[str, Any], limits: Retention, epoch: str
) -> list[bytes]:
    """Return what `APPEND` is given beside its keys; `epoch` is for a log that needs a new one."""
    ending = next((place for place, entry in enumerate(batch.entries, 1) if entry.is_end), 0)
    return [
        *_common(options, limits, epoch),
        batch.writer.encode(),
        b"%d" % batch.number,
        b"%d" % ending,
        topic,
        *(_encoder.encode(_Blob(each.data, _clean(each.event), each.is_text, each.is_end)) for each in batch.entries),
    ]


def read_arguments(after: int, limit: int, options: Mapping[str, Any], limits: Retention, epoch: str) -> list[bytes]:
    """Return what `READ` is given beside its keys."""
    return [*_common(options, limits, epoch), b"%d" % after, b"%d" % limit]


def read_options(data: bytes) -> dict[str, Any]:
    """Return the options of a log; DecodeError for what is none."""
    try:
        return _options.decode(data) if data else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"these are no options of a channel: {error}") from error


def read_entry(data: bytes) -> StoredEntry:
    """Read `offset time entry`; DecodeError for whatever else is there."""
    try:
        offset, at, blob = data.split(b" ", 2)
        return StoredEntry(int(offset), int(at) / 1000, *msgspec.structs.astuple(_blobs.decode(blob)))
    except (ValueError, OverflowError, msgspec.DecodeError) as error:
        raise DecodeError(f"this is no entry of a channel: {error}") from error


def _common(options: Mapping[str, Any], limits: Retention, epoch: str) -> list[bytes]:
    ttl = 0 if isinf(limits.ttl) else max(int(limits.ttl * 1000), 1)
    kept = b"%d %d %d" % (limits.most, ttl, limits.size_bytes)
    return [epoch.encode(), _encoder.encode(options) if options else b"", kept]


def _clean(event: str | None) -> str | None:
    return event if event is None or event.isascii() else surrogates.replace(event)
