-- Many requests in one round trip. Of each: is the token dead, and is the caller within the limits?
-- KEYS, one request after the other: revoked:user, suspended:user, blacklist:jti, blacklist:session (all four or none),
--       then one key per limit.
-- ARGV: number of requests, then of each: number of token keys (4 or 0), the token's iat in seconds, number of limits, how
--       many of them count for a dead token too, then interval and period of each limit in milliseconds.
-- Answer, of each: state of the token ('', 'revoked', 'suspended'), now, the first limit that refuses (0 for none), then
--       the arrival time of each limit. Nothing is counted for a request that one limit refuses.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local now_text = string.format('%.3f', now)
local answers, key, arg = {}, 0, 1

for request = 1, tonumber(ARGV[1]) do
  local token_keys, issued = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local limits, for_everyone = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4])
  local first_key, first_arg = key + token_keys, arg + 4
  local state, counted = '', limits
  if token_keys == 4 then
    local said = redis.call('MGET', KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], KEYS[key + 4])
    if said[2] then
      state = 'suspended'
    elseif said[3] or said[4] or (said[1] and issued < tonumber(said[1])) then
      state = 'revoked'
    end
    if state ~= '' then counted = for_everyone end
  end

  local arrivals, refused = {}, 0
  for i = 1, counted do
    local interval, period = tonumber(ARGV[first_arg + 2 * i - 1]), tonumber(ARGV[first_arg + 2 * i])
    local kept = tonumber(redis.call('GET', KEYS[first_key + i]) or 0)
    local earliest = kept > now and kept or now
    if earliest + interval - now > period + 0.001 then
      if refused == 0 then refused = i end
      arrivals[i] = earliest
    else
      arrivals[i] = earliest + interval
    end
  end

  local answer = {state, now_text, refused}
  for i = 1, counted do
    local text = string.format('%.3f', arrivals[i])
    if refused == 0 then
      redis.call('SET', KEYS[first_key + i], text, 'PX', math.ceil(arrivals[i] - now) + 1000)
    end
    answer[3 + i] = text
  end
  answers[request] = answer
  key, arg = first_key + limits, first_arg + 2 * limits
end
return answers
