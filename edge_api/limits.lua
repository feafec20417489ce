-- One round trip per request: is the token dead, and is the caller within the limits?
-- KEYS: revoked:user, suspended:user, blacklist:jti, blacklist:session (all four or none), then one key per limit.
-- ARGV: number of token keys (4 or 0), the token's iat in seconds, how many limits count for a dead token too,
--       then interval and period of each limit in milliseconds.
-- Answer: state of the token ('', 'revoked', 'suspended'), now, the first limit that refuses (0 for none),
--         then the arrival time of each limit. Nothing is counted for a request that one limit refuses.
local token_keys, issued, for_everyone = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local state = ''
if token_keys == 4 then
  local said = redis.call('MGET', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  if said[2] then
    state = 'suspended'
  elseif said[3] or said[4] or (said[1] and issued < tonumber(said[1])) then
    state = 'revoked'
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local limits = #KEYS - token_keys
if state ~= '' and limits > for_everyone then limits = for_everyone end

local arrivals, refused = {}, 0
for i = 1, limits do
  local interval, period = tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i])
  local kept = redis.call('GET', KEYS[token_keys + i])
  local earliest = now
  if kept and tonumber(kept) > now then earliest = tonumber(kept) end
  if earliest + interval - now > period + 0.001 then
    if refused == 0 then refused = i end
    arrivals[i] = earliest
  else
    arrivals[i] = earliest + interval
  end
end

local answer = {state, string.format('%.3f', now), refused}
for i = 1, limits do
  if refused == 0 then
    redis.call('SET', KEYS[token_keys + i], string.format('%.3f', arrivals[i]), 'PX', math.ceil(arrivals[i] - now) + 1000)
  end
  answer[3 + i] = string.format('%.3f', arrivals[i])
end
return answer
