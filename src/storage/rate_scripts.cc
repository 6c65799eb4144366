#include "storage/rate_scripts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tollgate::storage {

namespace {

constexpr std::string_view kEpochKey = "tollgate:{epoch}";
constexpr std::string_view kGatewaysKey = "tollgate:{gateways}";

// Lua's numbers are doubles: exact up to 2^53. Beyond that every rounding is towards less.
constexpr const char* kOvertaken = R"lua(
-- Whether the gateway has told more on a later connection: then this question comes too late.
local function overtaken(raw, process, connection)
  for i = 1, #raw, 2 do
    local field = raw[i]
    if string.sub(field, 1, #process) == process and
       tonumber(string.sub(field, #process + 1)) > connection then
      return true
    end
  end
  return false
end
)lua";

constexpr const char* kLend = R"lua(
local key, process = KEYS[1], 'g:' .. ARGV[1] .. '/'
local gateway = process .. ARGV[2]
local limit, window = tonumber(ARGV[3]), tonumber(ARGV[4])
local in_hand, back, debt = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local least, all, ahead = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local ttl, lost = tonumber(ARGV[11]), tonumber(ARGV[12])
local claim, claim_until = tonumber(ARGV[13]), tonumber(ARGV[14])
local claim_returned, claim_born = tonumber(ARGV[15]), ARGV[16]
local all_debt = tonumber(ARGV[17])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local EXACT = 9007199254740992
local function text(number) return string.format('%.0f', number) end

-- What a span of time earns: whole units, and window-ths of one.
local function earned(span)
  local product = span * limit
  if product < EXACT then
    local part = math.fmod(product, window)
    return (product - part) / window, part
  end
  return math.max(math.floor(span / window * limit) - 1, 0), 0
end
local function owed(span)
  local product = span * limit
  if product < EXACT then
    local part = math.fmod(product, window)
    return (product - part) / window, part
  end
  return math.ceil(span / window * limit) + 1, 0
end

local level, part, at, known_lost = nil, 0, now, 0
local born, returned = text(now), 0
local mine = false
local raw = redis.call('HGETALL', key)
if overtaken(raw, process, tonumber(ARGV[2])) then return {0, 0, 0, 0, now, 0, 0, 0, 0} end
local others, owing, owing_part = 0, 0, 0  -- What the others have, and owe.
for i = 1, #raw, 2 do
  local field, value = raw[i], raw[i + 1]
  if field == 'level' then level = tonumber(value)
  elseif field == 'part' then part = tonumber(value)
  elseif field == 'at' then at = tonumber(value)
  elseif field == 'lost' then known_lost = tonumber(value)
  elseif field == 'born' then born = value
  elseif field == 'returned' then returned = tonumber(value)
  elseif field ~= gateway and string.sub(field, 1, #process) == process then
    -- It has forgotten what it had then, and tells what it has used.
    redis.call('HDEL', key, field)
  else
    local out, ends, owes = string.match(value, '^(%S+) (%S+) (%S+)$')
    out, ends, owes = tonumber(out), math.min(tonumber(ends), now + ttl), tonumber(owes)
    local ended = ends <= now
    if field == gateway then
      mine = not ended
    else
      local units, rest = owed(math.max(owes - now, 0))
      others, owing, owing_part = others + out, owing + units, owing_part + rest
    end
    if ended then
      -- Used, as far as anybody knows.
      if out > 0 then owes = math.max(owes, now) + math.ceil(out * window / limit) end
      if owes > now then
        redis.call('HSET', key, field, '0 ' .. text(ends) .. ' ' .. text(owes))
      else
        redis.call('HDEL', key, field)
      end
    end
  end
end
if not mine then
  -- It had nothing, or too long; what it has used beyond that it still owes.
  in_hand, back = math.min(in_hand, 0), 0
end

local debt_units, debt_part = owed(debt)
if not level then level, part, at = limit, 0, now end
if lost > known_lost then
  -- Whoever is alive tells meanwhile what it has used, and what it has heard that all have.
  local all_units, all_part = owed(all_debt)
  level = math.min(level, 0, -all_units - math.ceil(all_part / window))
  part, at = 0, now
  if now >= lost + ttl then
    local left = limit - others - owing - math.max(in_hand, 0) - debt_units
    level = math.min(left - math.ceil((owing_part + debt_part) / window), limit + level)
    known_lost = lost
  end
end
level = math.min(level, limit)

local elapsed = now - at
if elapsed < -window then at, elapsed = now, 0 end
local cap = limit - others - owing - in_hand - back - debt_units
local cap_part = -(owing_part + debt_part)
local borrowed = math.ceil(-cap_part / window)
cap, cap_part = cap - borrowed, cap_part + borrowed * window
if elapsed > 0 then
  at = now
  local units, rest = earned(elapsed)
  local new, new_part = level + units, part + rest
  if new_part >= window then new, new_part = new + 1, new_part - window end
  if new > cap or (new == cap and new_part > cap_part) then new, new_part = cap, cap_part end
  if new > level or (new == level and new_part > part) then level, part = new, new_part end
end
-- What was let through while nobody could be told counts, too; a unit is for rounding.
if level > cap + 1 then level, part = cap + 1, 0 end
level = level + back

-- Not more than time has not earned back since, whoever took it, less what came back since.
local took_back = 0
local room = limit - level - others - math.max(in_hand, 0)
if claim > 0 and claim_born == born and room > 0 then
  local since = math.ceil((returned - claim_returned) * window / limit)
  local left = math.min(claim_until - now - since, window,
                        math.floor((room * window - part) / limit))
  local whole = claim * window / limit
  if left > 0 then
    if left >= whole then
      level, took_back = level + claim, math.floor(whole)
    else
      local units, rest = earned(left)
      level, part, took_back = level + units, part + rest, left
      if part >= window then level, part = level + 1, part - window end
    end
    returned = returned + claim
    debt = math.max(debt - took_back, 0)
  end
end
if in_hand < 0 then level, in_hand = level + in_hand, 0 end
if level >= limit then level, part = limit, 0 end
level = math.max(level, -EXACT / 8)

local granted = 0
if level >= least and level > 0 then
  granted = math.min(level, all)
  granted = granted + math.min(ahead, math.floor((level - granted) / 4))
end
level = level - granted
local out = in_hand + granted
if out > 0 or debt > 0 then
  redis.call('HSET', key, gateway, text(out) .. ' ' .. text(now + ttl) .. ' ' .. text(now + debt))
else
  redis.call('HDEL', key, gateway)
end
redis.call('HSET', key, 'level', text(level), 'part', text(part), 'at', text(at),
           'lost', text(known_lost), 'born', born, 'returned', text(returned))
-- Gone when it would be full anyway.
local full_in = math.max((limit - level) / limit * window, 0) + ttl + window
redis.call('PEXPIRE', key, text(math.min(math.ceil(full_in / 1000), 34560000000)))
local used = math.max(math.floor(((limit - level - others - out) * window - part) / limit), 0)
if lost > known_lost then level = math.max(level, 0) end
return {granted, in_hand, level, math.floor(part / limit), now, took_back, used, returned,
        tonumber(born)}
)lua";

constexpr const char* kSlots = R"lua(
local key, process = KEYS[1], ARGV[1] .. '/'
local gateway = process .. ARGV[2]
local limit, has = tonumber(ARGV[3]), tonumber(ARGV[4])
local least, all, ahead = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local ttl, lost = tonumber(ARGV[8]), tonumber(ARGV[9])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end

local others = 0
local raw = redis.call('HGETALL', key)
if overtaken(raw, process, tonumber(ARGV[2])) then return {0, 0, 0, 0, now, 0, 0, 0, 0} end
for i = 1, #raw, 2 do
  local slots, ends = string.match(raw[i + 1], '^(%S+) (%S+)$')
  ends = math.min(tonumber(ends), now + ttl)
  if raw[i] ~= gateway then
    if ends <= now or string.sub(raw[i], 1, #process) == process then
      redis.call('HDEL', key, raw[i])
    else
      others = others + tonumber(slots)
    end
  end
end
local free = limit - others - has
-- Until all that others had before is told again, or nobody's.
if lost > 0 and now < lost + ttl then free = math.min(free, 0) end
local granted = 0
if free >= least and free > 0 then
  granted = math.min(free, all)
  granted = granted + math.min(ahead, math.floor((free - granted) / 4))
end
has = has + granted
if has > 0 then
  redis.call('HSET', key, gateway, text(has) .. ' ' .. text(now + ttl))
else
  redis.call('HDEL', key, gateway)
end
redis.call('PEXPIRE', key, text(math.ceil(ttl / 1000)))
return {granted, has - granted, free - granted, 0, now, 0, 0, 0, 0}
)lua";

constexpr const char* kEpoch = R"lua(
local known, fresh, leapt = ARGV[1], ARGV[2], ARGV[3] == 'leapt'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found = redis.call('HMGET', KEYS[1], 'name', 'made', 'lost')
local name, made, lost = found[1], found[2], found[3]
if not name then
  name, made, lost = fresh, string.format('%.0f', now), '0'
  redis.call('HSET', KEYS[1], 'name', name, 'made', made, 'lost', lost)
end
if known ~= '' and known ~= name and lost ~= '1' then
  lost = '1'
  redis.call('HSET', KEYS[1], 'lost', lost)
end
-- All gateways see the same leap within a moment; it is one.
if leapt and (lost ~= '1' or now - tonumber(made) > 1000000) then
  made, lost = string.format('%.0f', now), '1'
  redis.call('HSET', KEYS[1], 'made', made, 'lost', lost)
end
return {name, lost == '1' and made or '0', now}
)lua";

constexpr const char* kPresence = R"lua(
local ttl = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] == 'leaves' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ttl))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + ttl), '+inf')
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl))
return redis.call('ZCARD', KEYS[1])
)lua";

// Made at the first use, and never anew.
const redis::Script& lend_script() {
  static const redis::Script script(std::string(kOvertaken) + kLend);
  return script;
}
const redis::Script& slots_script() {
  static const redis::Script script(std::string(kOvertaken) + kSlots);
  return script;
}
const redis::Script& epoch_script() {
  static const redis::Script script(kEpoch);
  return script;
}
const redis::Script& presence_script() {
  static const redis::Script script(kPresence);
  return script;
}

// The arguments of a script, as text.
class Arguments {
 public:
  Arguments& add(std::string_view text) {
    texts_[count_++] = text;
    return *this;
  }
  Arguments& add(std::int64_t number) {
    fmt::format_int digits(number);
    numbers_[count_] = std::string(digits.data(), digits.size());
    texts_[count_] = numbers_[count_];
    ++count_;
    return *this;
  }
  std::span<const std::string_view> all() const { return std::span(texts_).first(count_); }

 private:
  static constexpr std::size_t kMost = 17;  // As many as a rate has.
  std::array<std::string, kMost> numbers_;
  std::array<std::string_view, kMost> texts_;
  std::size_t count_ = 0;
};

FaultOr<void> expect(const redis::Client& client, const redis::Reply& reply, bool as_expected) {
  if (reply.kind == redis::Reply::Kind::kError) return std::unexpected(client.fault_of(reply));
  if (as_expected) return {};
  return fault(FaultKind::kBroken,
               fmt::format("{}: it answers a script in a way that no Redis does",
                           client.endpoint().shown()));
}

}  // namespace

std::string rate_key(const RateId& id) {
  return fmt::format("tollgate:{{{}:{}}}", id.rule, id.subject);
}

void add_question(redis::Client& client, std::string_view key, const RateQuestion& question) {
  Arguments arguments;
  const RateReport& told = question.report;
  arguments.add(question.gateway).add(question.connection).add(question.limit);
  if (question.figure == limits::Figure::kConcurrentRequests) {
    arguments.add(told.in_hand).add(question.least).add(question.all).add(question.ahead);
    arguments.add(question.ttl.count()).add(question.lost_since);
    client.add(slots_script(), key, arguments.all());
    return;
  }
  arguments.add(limits::window_of(question.figure).count());
  arguments.add(told.in_hand).add(told.back).add(told.debt.count());
  arguments.add(question.least).add(question.all).add(question.ahead);
  arguments.add(question.ttl.count()).add(question.lost_since);
  arguments.add(told.claim.units).add(told.claim.until_us);
  arguments.add(told.claim.returned).add(told.claim.born_us);
  arguments.add(told.all_debt.count());
  client.add(lend_script(), key, arguments.all());
}

FaultOr<RateAnswer> read_answer(const redis::Client& client, const redis::Reply& reply) {
  std::array<std::int64_t, 9> numbers{};
  bool good = reply.items.size() == numbers.size();
  for (std::size_t i = 0; good && i < numbers.size(); ++i) {
    const std::optional<std::int64_t> number = reply.items[i].number();
    good = number && *number >= -INT64_MAX / 4 && *number <= INT64_MAX / 4;
    if (good) numbers[i] = *number;
  }
  // Of them only the level may be owed.
  for (std::size_t i = 0; good && i < numbers.size(); ++i) good = i == 2 || numbers[i] >= 0;
  if (auto fine = expect(client, reply, good); !fine) return std::unexpected(fine.error());
  RateAnswer answer;
  answer.granted = numbers[0];
  answer.in_hand = numbers[1];
  answer.level = numbers[2];
  answer.part = Duration(numbers[3]);
  answer.now_us = numbers[4];
  answer.took_back = Duration(numbers[5]);
  answer.debt = Duration(numbers[6]);
  answer.returned = numbers[7];
  answer.born_us = numbers[8];
  return answer;
}

void add_epoch(redis::Client& client, std::string_view known, std::string_view fresh,
               StoreClock clock) {
  const std::string_view arguments[] = {known, fresh,
                                        clock == StoreClock::kLeapt ? "leapt" : "steady"};
  client.add(epoch_script(), kEpochKey, arguments);
}

FaultOr<Epoch> read_epoch(const redis::Client& client, const redis::Reply& reply) {
  std::array<std::optional<std::int64_t>, 2> times;
  const bool three = reply.items.size() == 3;
  for (std::size_t i = 0; three && i < times.size(); ++i) times[i] = reply.items[i + 1].number();
  bool good = three && !reply.items[0].text.empty();
  for (const auto& time : times) good = good && time && *time >= 0 && *time <= INT64_MAX / 4;
  if (auto fine = expect(client, reply, good); !fine) return std::unexpected(fine.error());
  return Epoch{reply.items[0].text, *times[0], *times[1]};
}

void add_presence(redis::Client& client, std::string_view gateway, Presence presence,
                  Duration ttl) {
  Arguments arguments;
  arguments.add(gateway).add(ttl.count() / 1000);
  arguments.add(presence == Presence::kLeaves ? "leaves" : "alive");
  client.add(presence_script(), kGatewaysKey, arguments.all());
}

FaultOr<std::int64_t> read_presence(const redis::Client& client, const redis::Reply& reply) {
  const std::optional<std::int64_t> alive = reply.number();
  if (auto fine = expect(client, reply, alive && *alive >= 0); !fine)
    return std::unexpected(fine.error());
  return *alive;
}

}  // namespace tollgate::storage
