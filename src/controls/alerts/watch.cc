#include "controls/alerts/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/sha256.h"

namespace tollgate::alerts {

namespace {

constexpr Duration kDriftOver = std::chrono::minutes(10);
constexpr std::string_view kMagic = "tollgate alerts 2\n";
constexpr std::size_t kChecksum = 32;
constexpr std::size_t kNamesMax = 1024;
constexpr std::size_t kTextMax = 4096;  // Of a subject in a snapshot.

Duration over_of(const Rule& rule) {
  return rule.when == Condition::kTokenCountDrift ? kDriftOver : rule.over;
}

std::string words_of(Duration span) {
  const std::int64_t seconds = span.count() / 1'000'000;
  if (seconds % 3600 == 0) return fmt::format("{} h", seconds / 3600);
  if (seconds % 60 == 0) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} s", seconds);
}

std::string key_of(const Rule& rule, std::size_t number) {
  return fmt::format("{}/{}/{}/{}\n", number, name_of(rule.when), limits::name_of(rule.scope),
                     rule.over.count());
}

bool has_subjects(const Rule& rule) {
  return rule.when == Condition::kSpendVelocity || rule.when == Condition::kRefusals;
}

std::string_view tenant_of(limits::Scope scope, const Who& who) {
  const bool theirs = scope == limits::Scope::kTenantId || scope == limits::Scope::kUserId ||
                      scope == limits::Scope::kKeyId;
  return theirs ? who.tenant : std::string_view();
}

std::string subject_words(limits::Scope scope, std::string_view subject) {
  if (scope == limits::Scope::kGlobal) return "all callers together";
  return fmt::format("{} `{}`", limits::name_of(scope), subject);
}

std::string spend_words(const Rule& rule, std::string_view subject, const Usual::Finding& found) {
  const std::string whose = subject_words(rule.scope, subject);
  if (found.newcomer) {
    return fmt::format("{} is new and spent {:.2f} USD within {}.", whose, found.spent,
                       words_of(found.window));
  }
  return fmt::format("{} spent {:.2f} USD within {}, where {:.4f} USD is usual at this hour.",
                     whose, found.spent, words_of(found.window), found.usual);
}

}  // namespace

void Watch::replace(const std::vector<Rule>& rules) {
  pairs_.clear();
  pairs_.resize(rules.size());
  for (auto it = subjects_.begin(); it != subjects_.end();) {
    const std::size_t number = it->number;
    const bool stays = number < rules.size() && has_subjects(rules[number]) &&
                       it->key.starts_with(key_of(rules[number], number));
    if (!stays) index_.erase(it->key);
    it = stays ? std::next(it) : subjects_.erase(it);
  }
  touched_.clear();
  reached_.clear();
  for (Subject& subject : subjects_) subject.touched = false;
  rules_ = rules;
}

void Watch::take(Tally& tally, WallTime now) {
  now_ = now;
  tally.drain(*this);
}

Watch::Subject& Watch::subject_of(std::size_t number, std::string_view name,
                                  std::string_view tenant) {
  const Rule& rule = rules_[number];
  key_ = key_of(rule, number);
  key_ += name;
  if (const auto found = index_.find(key_); found != index_.end()) {
    subjects_.splice(subjects_.begin(), subjects_, found->second);
    return subjects_.front();
  }
  if (subjects_.size() >= kSubjectsMax) {
    Subject& last = subjects_.back();
    if (last.touched) std::erase(touched_, &last);
    index_.erase(last.key);
    subjects_.pop_back();
  }
  subjects_.push_front({number, std::string(name), std::string(tenant), key_, Usual(rule, now_),
                        Ring<kBurstParts>(std::max<std::int64_t>(
                            1, rule.over.count() / static_cast<std::int64_t>(kBurstParts)))});
  index_.emplace(key_, subjects_.begin());
  return subjects_.front();
}

void Watch::caller(const Who& who, const Deed& deed) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    const bool spends = rule.when == Condition::kSpendVelocity && deed.spent.micro_usd > 0;
    const bool refused = rule.when == Condition::kRefusals && deed.refused > 0;
    if ((!spends && !refused) || !alerts::subject_of(rule.scope, who, name_)) continue;
    Subject& subject = subject_of(i, name_, tenant_of(rule.scope, who));
    if (spends) {
      subject.usual.add(static_cast<double>(deed.spent.micro_usd) / 1e6, deed.squares, now_);
    } else {
      subject.refused.add(now_.time_since_epoch().count(), static_cast<double>(deed.refused));
    }
    if (!subject.touched) touched_.push_back(&subject);
    subject.touched = true;
  }
}

void Watch::add_pair(Condition condition, std::string_view name, double first, double second) {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].when != condition) continue;
    auto found = pairs_[i].find(name);
    if (found == pairs_[i].end()) {
      if (pairs_[i].size() >= kNamesMax) continue;
      found = pairs_[i].emplace(std::string(name), Pair(over_of(rules_[i]))).first;
    }
    const std::int64_t now_us = now_.time_since_epoch().count();
    found->second.first.add(now_us, first);
    found->second.second.add(now_us, second);
  }
}

void Watch::upstream(std::string_view name, const Attempts& attempts) {
  add_pair(Condition::kUpstreamDown, name, static_cast<double>(attempts.failed),
           static_cast<double>(attempts.served));
}

void Watch::model(std::string_view name, const Counted& counted) {
  add_pair(Condition::kTokenCountDrift, name, static_cast<double>(counted.provider),
           static_cast<double>(counted.ours));
}

void Watch::authentication_failures(std::int64_t count) {
  add_pair(Condition::kAuthenticationFailures, "callers", static_cast<double>(count), 0);
}

void Watch::budget_reached(const Reached& reached, WallTime now) {
  const std::string_view subject = reached.subject;
  // What all callers share is nobody's.
  const bool is_theirs = reached.scope == limits::Scope::kTenantId ||
                         reached.scope == limits::Scope::kUserId ||
                         reached.scope == limits::Scope::kKeyId;
  const std::string_view tenant = is_theirs ? std::string_view(reached.tenant) : "";
  const std::string about =
      fmt::format("/{}/{}", reached.budget, reached.window_start.time_since_epoch().count());
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    const bool is_passed = rule.share >= 1 && reached.share >= 1;
    if (rule.when != Condition::kBudgetReached) continue;
    if (rule.share != reached.share && !is_passed) continue;
    tell(reached_, i, reached.scope, subject, tenant,
         fmt::format("{} has spent {} of {} USD of {}: {:g} %.",
                     subject_words(reached.scope, subject), format_usd(reached.spent),
                     format_usd(reached.limit), reached.budget, reached.share * 100),
         now, about);
  }
}

std::vector<Alert> Watch::judge(const Health& health, WallTime now) {
  now_ = now;
  std::vector<Alert> found = std::move(reached_);
  reached_.clear();
  judge_subjects(found, now);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    judge_pairs(i, found, now);
    judge_gateway(i, health, found, now);
  }
  return found;
}

void Watch::judge_subjects(std::vector<Alert>& found, WallTime now) {
  for (Subject* subject : touched_) {
    subject->touched = false;
    const Rule& rule = rules_[subject->number];
    if (rule.when == Condition::kSpendVelocity) {
      const std::optional<Usual::Finding> much = subject->usual.judge(rule, now);
      if (!much) continue;
      tell(found, subject->number, rule.scope, subject->name, subject->tenant,
           spend_words(rule, subject->name, *much), now);
    } else {
      const double count = subject->refused.sum(now.time_since_epoch().count());
      if (count < static_cast<double>(rule.count)) continue;
      tell(found, subject->number, rule.scope, subject->name, subject->tenant,
           fmt::format("{} requests of {} were refused within {}.", count,
                       subject_words(rule.scope, subject->name), words_of(rule.over)),
           now);
    }
  }
  touched_.clear();
}

void Watch::judge_pairs(std::size_t number, std::vector<Alert>& found, WallTime now) {
  const Rule& rule = rules_[number];
  const std::int64_t now_us = now.time_since_epoch().count();
  for (auto& [name, pair] : pairs_[number]) {
    const double first = pair.first.sum(now_us);
    const double second = pair.second.sum(now_us);
    std::string words;
    if (rule.when == Condition::kTokenCountDrift) {
      if (second < static_cast<double>(kDriftTokensMin)) continue;
      const double drift = first / second - 1;
      if (std::abs(drift) < rule.share) continue;
      words = fmt::format(
          "The provider of model `{}` counted {:.1f} % {} input tokens than we did within {}.",
          name, std::abs(drift) * 100, drift > 0 ? "more" : "fewer", words_of(kDriftOver));
    } else if (first < static_cast<double>(rule.count) || second > 0) {
      continue;
    } else if (rule.when == Condition::kUpstreamDown) {
      words = fmt::format("Upstream `{}` is down: {} attempts within {}, and none was served.",
                          name, first, words_of(rule.over));
    } else {
      words =
          fmt::format("{} credentials were not believed within {}.", first, words_of(rule.over));
    }
    tell(found, number, limits::Scope::kGlobal, name, {}, std::move(words), now);
  }
}

void Watch::judge_gateway(std::size_t number, const Health& health, std::vector<Alert>& found,
                          WallTime now) {
  const Rule& rule = rules_[number];
  constexpr auto kGlobal = limits::Scope::kGlobal;
  if (rule.when == Condition::kAuditLag) {
    if (!health.trail_healthy) {
      tell(found, number, kGlobal, "audit", {},
           "Decisions cannot be kept on record: requests are refused.", now);
    } else if (health.trail_filled >= rule.share) {
      tell(found, number, kGlobal, "audit", {},
           fmt::format("{:.0f} % of audit.queue waits for the store.", health.trail_filled * 100),
           now);
    }
  }
  if (rule.when != Condition::kStoreDegraded) return;
  std::erase_if(out_, [&](const auto& one) {
    return std::ranges::find(health.stores_out, one.first) == health.stores_out.end();
  });
  for (const std::string_view store : health.stores_out) {
    const WallTime since = out_.try_emplace(std::string(store), now).first->second;
    if (now - since < rule.over) continue;
    tell(found, number, kGlobal, store, {},
         fmt::format("The store of {} cannot be asked for {}: store.on_fault holds.", store,
                     words_of(rule.over)),
         now);
  }
}

bool Watch::was_told(const std::string& key, Duration cooldown, WallTime now) {
  const auto told = told_.find(key);
  if (told != told_.end() && now < told->second) return true;
  if (told == told_.end() && told_.size() >= kToldMax) {
    std::erase_if(told_, [&](const auto& one) { return one.second <= now; });
    if (told_.size() >= kToldMax) return true;
  }
  told_.insert_or_assign(key, now + cooldown);
  return false;
}

void Watch::tell(std::vector<Alert>& found, std::size_t number, limits::Scope scope,
                 std::string_view subject, std::string_view tenant, std::string message,
                 WallTime now, std::string_view about) {
  const Rule& rule = rules_[number];
  const std::string key =
      fmt::format("{}{}/{}{}", key_of(rule, number), limits::name_of(scope), subject, about);
  const bool silent = was_told(key, rule.cooldown, now);
  if (silent && rule.action == Action::kNone) return;
  found.push_back({number, rule.rule, rule.when, scope, std::string(subject), std::string(tenant),
                   std::move(message), now, silent});
}

// ---- Across a restart ------------------------------------------------------------------------

namespace {

static_assert(std::is_trivially_copyable_v<Usual::Learned>);

void put(std::string& out, const void* bytes, std::size_t count) {
  out.append(static_cast<const char*>(bytes), count);
}
void put(std::string& out, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  put(out, &size, sizeof size);
  out += text;
}

struct Reading {
  std::string_view bytes;
  bool good = true;

  template <class T>
  T value() {
    T made{};
    good = good && bytes.size() >= sizeof made;
    if (!good) return made;
    bytes.copy(reinterpret_cast<char*>(&made), sizeof made);
    bytes.remove_prefix(sizeof made);
    return made;
  }
  std::string text() {
    const auto size = value<std::uint32_t>();
    good = good && size <= kTextMax && bytes.size() >= size;
    if (!good) return {};
    std::string made(bytes.substr(0, size));
    bytes.remove_prefix(size);
    return made;
  }
};

}  // namespace

std::string Watch::snapshot() const {
  std::string made(kMagic);
  std::uint64_t count = 0;
  const std::size_t at = made.size();
  put(made, &count, sizeof count);
  // Who was seen last comes last, as restore() puts each in front.
  for (auto it = subjects_.rbegin(); it != subjects_.rend(); ++it) {
    if (rules_[it->number].when != Condition::kSpendVelocity) continue;
    if (it->key.size() > kTextMax || it->tenant.size() > kTextMax) continue;
    put(made, static_cast<std::string_view>(it->name));
    put(made, it->tenant);
    put(made, key_of(rules_[it->number], it->number));
    const auto number = static_cast<std::uint64_t>(it->number);
    put(made, &number, sizeof number);
    put(made, &it->usual.learned(), sizeof(Usual::Learned));
    ++count;
  }
  std::memcpy(made.data() + at, &count, sizeof count);
  count = 0;
  const std::size_t told_at = made.size();
  put(made, &count, sizeof count);
  for (const auto& [key, until] : told_) {
    if (key.size() > kTextMax || until <= now_) continue;
    put(made, key);
    const std::int64_t until_us = until.time_since_epoch().count();
    put(made, &until_us, sizeof until_us);
    ++count;
  }
  std::memcpy(made.data() + told_at, &count, sizeof count);
  const std::array<std::uint8_t, kChecksum> sum = sha256(made);
  put(made, sum.data(), sum.size());
  return made;
}

bool Watch::restore(std::string_view bytes, WallTime now) {
  now_ = now;
  if (bytes.size() < kMagic.size() + kChecksum || !bytes.starts_with(kMagic)) return false;
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksum);
  const std::array<std::uint8_t, kChecksum> sum = sha256(body);
  if (!std::ranges::equal(sum, bytes.substr(body.size()), {}, {},
                          [](char c) { return static_cast<std::uint8_t>(c); })) {
    return false;
  }
  Reading reading{body.substr(kMagic.size())};
  const auto subjects = reading.value<std::uint64_t>();
  for (std::uint64_t i = 0; i < subjects && reading.good; ++i) {
    const std::string name = reading.text();
    const std::string tenant = reading.text();
    const std::string key = reading.text();
    const auto number = static_cast<std::size_t>(reading.value<std::uint64_t>());
    const auto learned = reading.value<Usual::Learned>();
    if (!reading.good || number >= rules_.size() || key != key_of(rules_[number], number)) continue;
    subject_of(number, name, tenant).usual.take(learned);
  }
  const auto told = reading.value<std::uint64_t>();
  for (std::uint64_t i = 0; i < told && reading.good; ++i) {
    std::string key = reading.text();
    const auto until_us = reading.value<std::int64_t>();
    if (reading.good && told_.size() < kToldMax) {
      told_.insert_or_assign(std::move(key), WallTime(Duration(until_us)));
    }
  }
  return reading.good;
}

}  // namespace tollgate::alerts
