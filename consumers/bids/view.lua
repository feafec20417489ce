-- Moves the view of one auction on by the events first..last, or sets it whole when first is 0.
-- KEYS: the auction's hash, its sorted set of bids, live-auctions, scheduled-auctions
-- ARGV: first, last, auction id, end ('' as before, '-' over, else ms), start ('' as before, else ms), seconds to live
--       or '', number of field arguments, field, value ..., then amount, bid ...
-- Returns 1 when it moved, 0 when these events were known, -1 when events before them are missing.
local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = tonumber(redis.call('HGET', KEYS[1], 'seq') or 0)
if known > last or (known == last and first > 0) then return 0 end
if first > 0 and known < first - 1 then return -1 end

local fields = tonumber(ARGV[7])
redis.call('HSET', KEYS[1], 'seq', last, unpack(ARGV, 8, 7 + fields))
if #ARGV > 7 + fields then redis.call('ZADD', KEYS[2], unpack(ARGV, 8 + fields)) end

if ARGV[4] == '-' then
    redis.call('ZREM', KEYS[3], ARGV[3])
    redis.call('ZREM', KEYS[4], ARGV[3])
elseif ARGV[4] ~= '' then
    redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
end
if ARGV[5] ~= '' then redis.call('ZADD', KEYS[4], ARGV[5], ARGV[3]) end
if ARGV[6] ~= '' then
    redis.call('EXPIRE', KEYS[1], ARGV[6])
    redis.call('EXPIRE', KEYS[2], ARGV[6])
end
return 1
