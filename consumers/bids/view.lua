-- Moves the view of one auction on by the events first..last, or sets it whole when first is 0.
-- KEYS: the auction's hash, its sorted set of bids, live-auctions, scheduled-auctions
-- ARGV[1]: msgpack of {first, last, auction id, end ('' as before, '-' over, else ms), start ('' as before, else ms),
--       seconds to live or '', {field, value ...}, {amount, bid ...}}
-- Returns 1 when it moved, 0 when these events were known, -1 when events before them are missing.
local first, last, auction, over, start, kept, fields, bids = unpack(cmsgpack.unpack(ARGV[1]))
local known = tonumber(redis.call('HGET', KEYS[1], 'seq') or 0)
if known > last or (known == last and first > 0) then return 0 end
if first > 0 and known < first - 1 then return -1 end

redis.call('HSET', KEYS[1], 'seq', last, unpack(fields))
if #bids > 0 then redis.call('ZADD', KEYS[2], unpack(bids)) end

if over == '-' then
    redis.call('ZREM', KEYS[3], auction)
    redis.call('ZREM', KEYS[4], auction)
elseif over ~= '' then
    redis.call('ZADD', KEYS[3], over, auction)
end
if start ~= '' then redis.call('ZADD', KEYS[4], start, auction) end
if kept ~= '' then
    redis.call('EXPIRE', KEYS[1], kept)
    redis.call('EXPIRE', KEYS[2], kept)
end
return 1
