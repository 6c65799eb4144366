#include "admin/alerting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/json_writer.h"

namespace tollgate::admin {

namespace {

constexpr std::uintmax_t kFileBytesMax = std::uintmax_t{64} << 20;

storage::Author by_itself(const storage::Store& store) {
  storage::Author author;
  author.kind = storage::Author::Kind::kGateway;
  author.subject = store.gateway();
  return author;
}

// On one line, whatever callers are called.
void say(std::string_view words) {
  std::string line;
  JsonWriter(line).value(words);
  fmt::print(stderr, "tollgate: {}\n", std::string_view(line).substr(1, line.size() - 2));
}

config::Addresses addresses_of(const alerts::Target& target) {
  return target.internal ? config::Addresses::kInternalToo : config::Addresses::kPublic;
}

// What went wrong, without the URL, which may be a credential.
std::string without_url(std::string why, const alerts::Message& message) {
  for (std::size_t at = 0; (at = why.find(message.url, at)) != std::string::npos;) {
    why.replace(at, message.url.size(), "its URL");
  }
  return why;
}

}  // namespace

std::string Alerting::file() const {
  const storage::Store& store = parts_.store;
  return store.is_shared() ? store.beside("alerts") : store.where() + ".alerts";
}

FaultOr<void> Alerting::open() {
  follow_configuration();
  FaultOr<std::unique_ptr<storage::Database>> database = parts_.store.reader();
  if (!database) return std::unexpected(database.error());
  reader_ = std::move(*database);
  FaultOr<std::vector<alerts::Answer>> all = storage::list_answers(*reader_);
  if (!all) return std::unexpected(all.error());
  answers_ = std::move(*all);
  publish();
  const std::optional<std::string> kept = storage::whole_file(file(), kFileBytesMax);
  if (kept && !watch_.restore(*kept, parts_.clock.wall())) {
    say(file() + ": what callers usually spend cannot be read; it is learned anew");
  }
  kept_at_ = parts_.clock.now();
  return {};
}

void Alerting::follow_configuration() {
  const std::uint64_t swaps = parts_.config.swaps();
  if (swaps == swaps_) return;
  swaps_ = swaps;
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  watch_.replace(config->alerts.rules);
  parts_.metrics.tally_callers(!config->alerts.rules.empty());
}

void Alerting::budget_reached(const storage::SettlementSink::BudgetReached& reached) {
  const cost::Policy& policy = reached.policy;
  const WallTime window_start = cost::start_of(policy.window, policy.zone, reached.at);
  const std::lock_guard lock(mutex_);
  if (reached_.size() >= kReachedMax) return;
  reached_.push_back({policy.scope, std::string(reached.subject), std::string(reached.tenant),
                      reached.share, reached.spent, policy.limit, policy.rule, window_start});
}

void Alerting::take_reached(WallTime now) {
  std::vector<alerts::Watch::Reached> all;
  {
    const std::lock_guard lock(mutex_);
    std::swap(all, reached_);
  }
  for (const alerts::Watch::Reached& one : all) watch_.budget_reached(one, now);
}

void Alerting::tick() {
  if (closing_) return;
  follow_configuration();
  const WallTime now = parts_.clock.wall();
  parts_.metrics.each_tally([&](alerts::Tally& tally) { watch_.take(tally, now); });
  take_reached(now);
  const storage::StoredTrail& trail = parts_.store.trail();
  const auto most = static_cast<double>(parts_.config.get()->audit.queue_bytes);
  const alerts::Health health{parts_.store.now(), static_cast<double>(trail.queued_bytes()) / most,
                              trail.healthy()};
  for (const alerts::Alert& alert : watch_.judge(health, now)) act(alert);
  read(now);
  write(now);
  send_due();
  if (parts_.clock.now() - kept_at_ >= kKeepEvery) keep();
}

void Alerting::keep() {
  kept_at_ = parts_.clock.now();
  if (parts_.config.get()->alerts.rules.empty()) return;
  if (const FaultOr<void> kept = storage::replace_file(file(), watch_.snapshot()); !kept) {
    say(kept.error().message);
  }
}

// What is done comes first: it holds before anybody is told.
void Alerting::act(const alerts::Alert& alert) {
  // Of what has judged: the configuration may be the next one by now.
  const alerts::Rule& rule = watch_.rules()[alert.number];
  alerts::Done done;
  std::optional<alerts::Answer> answer = alerts::answer_to(rule, alert);
  if (answer && releases_.lets(*answer, alert, answers_)) {
    done = {answer->action, answer->until};
    std::erase_if(answers_, [&](const alerts::Answer& one) { return one.id == answer->id; });
    std::erase_if(beginning_, [&](const alerts::Answer& one) { return one.id == answer->id; });
    answers_.push_back(*answer);
    beginning_.push_back(std::move(*answer));
    publish();
  }
  if (alert.silent) return;
  say(fmt::format("alert {} ({}): {}", alert.rule, alerts::name_of(alert.when), alert.message));
  {
    const std::lock_guard lock(mutex_);
    ++raised_[static_cast<std::size_t>(alert.when)];
  }
  tell(rule, alert, done);
}

void Alerting::tell(const alerts::Rule& rule, const alerts::Alert& alert,
                    const alerts::Done& done) {
  std::string after;
  JsonWriter json(after);
  json.begin_object();
  json.key("condition");
  json.value(alerts::name_of(alert.when));
  json.key("scope");
  json.value(limits::name_of(alert.scope));
  json.key("subject");
  json.value(alert.subject);
  json.key("message");
  json.value(alert.message);
  json.key("done");
  json.value(alerts::name_of(done.action));
  json.end_object();
  note("alert.raise", alert.rule, alert.tenant, std::move(after));
  for (const std::string& target : rule.notify) {
    alerts::Letter letter;
    letter.id = fmt::format("msg_{:x}_{:x}", alert.at.time_since_epoch().count(), ++letters_);
    letter.target = target;
    letter.alert = alert;
    letter.done = done;
    if (const auto gone = outbox_.put(std::move(letter))) {
      delivered(*gone, "dropped", "too many wait");
    }
  }
}

void Alerting::note(std::string action, std::string object, std::string tenant, std::string after) {
  if (notes_.size() >= kNotesMax) {
    const std::lock_guard lock(mutex_);
    ++notes_dropped_;
    return;
  }
  notes_.push_back({std::move(action), std::move(object), std::move(tenant), std::move(after)});
}

void Alerting::publish() {
  {
    const std::lock_guard lock(mutex_);
    in_force_ = answers_.size();
  }
  parts_.hold(std::make_shared<const alerts::InForce>(answers_));
}

// What other gateways do, and what was released. While the store is away what is known holds on.
void Alerting::read(WallTime now) {
  const Instant moment = parts_.clock.now();
  if (moment - read_at_ < kReadEvery) return;
  read_at_ = moment;
  FaultOr<std::vector<alerts::Answer>> all =
      parts_.store.trail().reachable()
          ? storage::list_answers(*reader_)
          : fault(FaultKind::kUnreachable, "the store is away, as its writer knows");
  std::vector<alerts::Answer> next = all ? std::move(*all) : answers_;
  for (const alerts::Answer& own : beginning_) {
    std::erase_if(next, [&](const alerts::Answer& one) { return one.id == own.id; });
    next.push_back(own);
  }
  const auto over = std::erase_if(next, [&](const alerts::Answer& one) { return one.over(now); });
  ends_ = ends_ || (all && over > 0);
  std::ranges::sort(next, {}, &alerts::Answer::id);
  std::ranges::sort(answers_, {}, &alerts::Answer::id);
  if (next == answers_) return;
  releases_.follow(answers_, next, now);
  answers_ = std::move(next);
  publish();
}

// As many as there is room for; the others hold here, and are tried again.
FaultOr<void> Alerting::begin_answers(storage::Database& database, const storage::Author& author,
                                      std::size_t& begun) const {
  for (begun = 0; begun < beginning_.size(); ++begun) {
    const FaultOr<bool> done = storage::begin_answer(database, author, beginning_[begun]);
    if (!done) return std::unexpected(done.error());
    if (!*done) break;
  }
  return {};
}

void Alerting::write(WallTime now) {
  std::erase_if(beginning_, [&](const alerts::Answer& one) { return one.over(now); });
  if (beginning_.empty() && notes_.empty() && !ends_) return;
  if (!parts_.store.trail().reachable()) return;
  const storage::Author author = by_itself(parts_.store);
  std::size_t begun = 0;
  const FaultOr<void> written = parts_.store.trail().write_within(
      kPatience, [&](storage::Database& database) -> FaultOr<void> {
        if (auto done = storage::end_answers(database, author, now); !done) return done;
        if (auto done = begin_answers(database, author, begun); !done) return done;
        for (const storage::AlertNote& one : notes_) {
          if (auto done = storage::record_note(database, author, one); !done) return done;
        }
        return {};
      });
  if (!written) return;  // Tried again with the next look.
  beginning_.erase(beginning_.begin(), beginning_.begin() + static_cast<std::ptrdiff_t>(begun));
  notes_.clear();
  ends_ = false;
  const bool was_full = std::exchange(is_full_, !beginning_.empty());
  if (is_full_ && !was_full) {
    say(
        fmt::format("{} answers to alerts are in force, as many as may be: the next ones hold at "
                    "this gateway only; release some (tollgate alerts release)",
                    alerts::InForce::kAnswersMax));
  }
}

void Alerting::send_due() {
  while (std::optional<alerts::Letter> letter = outbox_.next(parts_.clock.now())) {
    ++sending_;
    start(send(std::move(*letter)));
  }
}

Task<void> Alerting::send(alerts::Letter letter) {
  const std::shared_ptr<const config::Config> config = parts_.config.get();
  const auto target =
      std::ranges::find(config->alerts.notify, letter.target, &alerts::Target::name);
  if (target == config->alerts.notify.end()) {
    outbox_.sent(letter);
    delivered(letter, "dropped", "it is in the configuration no longer");
    --sending_;
    co_return;
  }
  const FaultOr<void> there = co_await deliver(*target, letter);
  --sending_;
  if (there) {
    outbox_.sent(letter);
    delivered(letter, "delivered", {});
    co_return;
  }
  const std::string& why = there.error().message;
  switch (outbox_.failed(letter, parts_.clock.now())) {
    case alerts::Outbox::Fate::kAgain:
      delivered(letter, "retried", why);
      co_return;
    case alerts::Outbox::Fate::kTried:
      delivered(letter, "failed", why);
      break;
    case alerts::Outbox::Fate::kThrownAway:
      delivered(letter, "dropped", "too many wait, and " + why);
      break;
  }
  say(fmt::format("an alert could not be delivered: {}", why));
}

Task<FaultOr<void>> Alerting::deliver(const alerts::Target& target, const alerts::Letter& letter) {
  if (target.kind == alerts::TargetKind::kEmail) co_return co_await mail(target, letter);
  co_return co_await post(target, letter);
}

Task<FaultOr<void>> Alerting::post(const alerts::Target& target, const alerts::Letter& letter) {
  const alerts::Message message =
      message_to(target, letter.id, letter.alert, letter.done, parts_.clock.wall());
  identity::WebRequest request;
  request.asked = "notify." + letter.target;
  request.url = message.url;
  request.certificate_authority = target.certificate_authority;
  request.headers = message.headers + "connection: close\r\n";
  request.content_type = "application/json";
  request.body = message.body;
  request.timeout = kDeliveryDeadline;
  request.bytes_max = kReplyBytesMax;
  request.addresses = addresses_of(target);
  request.takes_any_success = true;
  const FaultOr<identity::WebAnswer> answer = co_await parts_.web.ask(request);
  if (answer) co_return FaultOr<void>();
  co_return fault(answer.error().kind, without_url(answer.error().message, message));
}

Task<FaultOr<void>> Alerting::mail(const alerts::Target& target, const alerts::Letter& letter) {
  MailRequest request;
  request.asked = "notify." + letter.target;
  request.url = target.url.reveal();
  request.certificate_authority = target.certificate_authority;
  request.addresses = addresses_of(target);
  request.from = target.email.from;
  request.to = target.email.to;
  request.user = target.email.user;
  request.password = target.email.password;
  request.password_file = target.email.password_file;
  request.text =
      alerts::mail_of(target.email, letter.id, letter.alert, letter.done, parts_.clock.wall());
  request.timeout = kDeliveryDeadline;
  co_return co_await parts_.mail.send(request);
}

void Alerting::delivered(const alerts::Letter& letter, std::string_view outcome,
                         std::string_view why) {
  {
    const std::lock_guard lock(mutex_);
    ++deliveries_[{letter.target, std::string(outcome)}];
  }
  std::string after;
  JsonWriter json(after);
  json.begin_object();
  json.key("message_id");
  json.value(letter.id);
  json.key("rule");
  json.value(letter.alert.rule);
  json.key("outcome");
  json.value(outcome);
  json.key("tries");
  json.value(letter.tries);
  if (!why.empty()) {
    json.key("because");
    json.value(why);
  }
  json.end_object();
  note("alert.deliver", letter.target, letter.alert.tenant, std::move(after));
}

bool Alerting::close() {
  closing_ = true;
  return sending_ == 0;
}

Gauge Alerting::alerts_gauge() const {
  return {
      "tollgate_alerts_total", "Alerts since the start, by what they are about.",
      [this](const Gauge::Emit& emit) {
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i < raised_.size(); ++i) {
          emit(fmt::format("condition=\"{}\"", alerts::name_of(static_cast<alerts::Condition>(i))),
               static_cast<double>(raised_[i]));
        }
      },
      "counter"};
}

Gauge Alerting::deliveries_gauge() const {
  return {"tollgate_alert_deliveries_total",
          "Tries to tell of an alert, by target and what came of it: delivered, retried, failed "
          "for good, dropped.",
          [this](const Gauge::Emit& emit) {
            const std::lock_guard lock(mutex_);
            auto all = deliveries_;  // What may come begins at 0.
            for (const alerts::Target& target : parts_.config.get()->alerts.notify) {
              for (const char* outcome : {"delivered", "retried", "failed", "dropped"}) {
                all.try_emplace({target.name, outcome}, 0);
              }
            }
            for (const auto& [labels, count] : all) {
              emit(fmt::format("target=\"{}\",outcome=\"{}\"", labels.first, labels.second),
                   static_cast<double>(count));
            }
          },
          "counter"};
}

Gauge Alerting::notes_gauge() const {
  return {"tollgate_alert_notes_dropped_total",
          "What alerts came to and is not on record, as the store was away for too long.",
          [this](const Gauge::Emit& emit) {
            const std::lock_guard lock(mutex_);
            emit("", static_cast<double>(notes_dropped_));
          },
          "counter"};
}

Gauge Alerting::answers_gauge() const {
  return {"tollgate_alert_answers", "What is done about callers after alerts, in force now.",
          [this](const Gauge::Emit& emit) {
            const std::lock_guard lock(mutex_);
            emit("", static_cast<double>(in_force_));
          }};
}

}  // namespace tollgate::admin
