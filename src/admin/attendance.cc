#include "admin/attendance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/json_writer.h"
#include "controls/administration/grant_form.h"
#include "pipeline/refusals.h"

namespace tollgate::admin {

using administration::Admin;
using pipeline::Strangers;

namespace {

constexpr std::string_view kBegin = "session.begin";
constexpr std::string_view kEnd = "session.end";
constexpr std::string_view kRefuse = "admin.refuse";

std::string session_text(const Admin& admin, std::string_view replaces) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("role", name_of(admin.grant.role));
  write_tenants(json, admin.grant);
  write_expires(json, admin.grant);
  if (!replaces.empty()) json.member("replaces", replaces);
  json.end_object();
  return out;
}

constexpr std::size_t kIdBytesMax = 64;

// Whether it looks like an id of ours: what else somebody names has no place on record.
bool looks_like_id(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return !text.empty() && text.size() <= kIdBytesMax && std::ranges::all_of(text, fits);
}

std::string refusal_text(const TurnedAway& who) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("code", pipeline::row_of(who.reason).code);
  if (!who.right.empty()) json.member("right", who.right);
  if (who.admin != nullptr && looks_like_id(who.id)) json.member("id", who.id);
  json.end_object();
  return out;
}

storage::Author unknown(const IpAddress& from) {
  storage::Author author;
  author.kind = storage::Author::Kind::kUnknown;
  author.address = from;
  return author;
}

Entry summary(storage::Author author, std::uint64_t count) {
  Entry entry;
  entry.author = std::move(author);
  entry.action = kRefuse;
  entry.after = fmt::format(R"({{"further":{}}})", count);
  return entry;
}

}  // namespace

storage::Author author_of(const Admin& admin, const IpAddress& from) {
  storage::Author author;
  author.kind = admin.kind == Admin::Kind::kOidc ? storage::Author::Kind::kOidc
                                                 : storage::Author::Kind::kAdminToken;
  author.subject = admin.subject;
  author.credential_id = admin.credential_id;
  author.role = name_of(admin.grant.role);
  author.address = from;
  return author;
}

Task<FaultOr<void>> Attendance::session_begins(const Admin& admin, const IpAddress& from,
                                               std::string name, std::string_view replaces) {
  Entry entry;
  entry.author = author_of(admin, from);
  entry.action = kBegin;
  entry.object = std::move(name);
  entry.after = session_text(admin, replaces);
  const std::function<FaultOr<void>()> work = [this, &entry] {
    return parts_.kept.record({&entry, 1}, std::nullopt);
  };
  DeskLine::Turn<FaultOr<void>> turn(parts_.line, work,
                                     fault(FaultKind::kUnreachable, "too many wait for the store"));
  co_return co_await turn;
}

void Attendance::session_ended(const Admin& admin, const IpAddress& from, std::string_view name) {
  Entry entry;
  entry.author = author_of(admin, from);
  entry.action = kEnd;
  entry.object = name;
  entry.before = session_text(admin, {});
  add({std::move(entry), 0});
}

void Attendance::turned_away(const TurnedAway& who) {
  const Instant now = parts_.clock.now();
  bool on_record = false;
  if (who.admin != nullptr) {
    authentication::Identity holder;
    holder.subject = who.admin->subject;
    holder.credential_id = who.admin->credential_id;
    on_record = strangers_.records(holder, who.from, now);
  } else {
    on_record = strangers_.records(who.from, now);
  }
  tell(strangers_.take_untold(now));
  if (!on_record) return;
  Entry entry;
  entry.author = who.admin != nullptr ? author_of(*who.admin, who.from) : unknown(who.from);
  if (who.admin == nullptr) entry.author.credential_id = who.credential_id;
  entry.action = kRefuse;
  entry.object = who.asked;
  entry.after = refusal_text(who);
  add({std::move(entry), 1});
}

void Attendance::tell(const std::vector<Strangers::Untold>& untold) {
  for (const Strangers::Untold& each : untold) {
    storage::Author author = unknown(each.last);
    author.subject = each.subject;
    author.credential_id = each.credential_id;
    add({summary(std::move(author), each.count), each.count});
  }
}

void Attendance::tend() {
  const Instant now = parts_.clock.now();
  tell(strangers_.take_untold(now));
  if (is_failing()) {
    if (now < retry_at_) return;
    retry_at_ = now + kRetryEvery;
  }
  begin_writing();
}

void Attendance::close() {
  tell(strangers_.take_all());
  parts_.desk.post([this] { write_all(); });
}

// Sessions that end are no more than those that began, which is on record; so they always have
// room.
void Attendance::add(Waiting waiting) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting.refusals > 0 && waiting_.size() >= kWaitingMax) {
      uncounted_ += waiting.refusals;
    } else {
      waiting_.push_back(std::move(waiting));
    }
  }
  if (!is_failing()) begin_writing();
}

bool Attendance::is_failing() {
  const std::lock_guard lock(mutex_);
  return failing_;
}

void Attendance::begin_writing() {
  const std::lock_guard lock(mutex_);
  if (at_work_ || (waiting_.empty() && uncounted_ == 0 && !failing_)) return;
  at_work_ = true;
  parts_.desk.post([this] { write(); });
}

// Whoever is to be known comes in between two batches.
void Attendance::write() {
  const bool wrote = take_batch() && write_batch().has_value();
  {
    const std::lock_guard lock(mutex_);
    at_work_ = false;
  }
  if (wrote) begin_writing();
}

void Attendance::write_all() {
  int tries = 0;
  FaultOr<void> written;
  while (tries < kClosingTries && take_batch()) {
    written = write_batch();
    tries += written ? 0 : 1;
  }
  if (written) return;
  std::uint64_t untold = batch_refusals_;
  const std::lock_guard lock(mutex_);
  for (const Waiting& each : waiting_) untold += each.refusals;
  fmt::print(stderr,
             "tollgate: {} refusals at the admin address are not on record, and will not be: {}\n",
             untold + uncounted_, written.error().message);
}

// False: nothing is left to be told.
bool Attendance::take_batch() {
  if (!batch_.empty()) return true;
  const std::lock_guard lock(mutex_);
  batch_refusals_ = uncounted_;
  if (uncounted_ > 0) {
    batch_.push_back(summary({storage::Author::Kind::kGateway, {}, {}, {}, {}}, uncounted_));
  }
  uncounted_ = 0;
  while (!waiting_.empty() && batch_.size() < kBatchMax) {
    batch_refusals_ += waiting_.front().refusals;
    batch_.push_back(std::move(waiting_.front().entry));
    waiting_.pop_front();
  }
  ++batch_number_;
  return !batch_.empty();
}

FaultOr<void> Attendance::write_batch() {
  const FaultOr<void> kept = parts_.kept.record(batch_, batch_number_);
  if (kept) batch_.clear();
  const std::lock_guard lock(mutex_);
  const bool failed_before = std::exchange(failing_, !kept);
  if (!kept && !failed_before) {
    fmt::print(stderr,
               "tollgate: who was refused at the admin address, or left it, is not on record yet: "
               "{}\n",
               kept.error().message);
  }
  return kept;
}

}  // namespace tollgate::admin
