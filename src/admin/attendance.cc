#include "admin/attendance.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include "base/json_writer.h"
#include "base/rfc3339.h"
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
  json.key("tenants");
  json.begin_array();
  for (const std::string& tenant : admin.grant.tenants) json.value(std::string_view(tenant));
  json.end_array();
  json.key("expires");
  if (admin.grant.expires) {
    json.value(std::string_view(rfc3339(*admin.grant.expires)));
  } else {
    json.null();
  }
  if (!replaces.empty()) json.member("replaces", replaces);
  json.end_object();
  return out;
}

std::string refusal_text(std::string_view code, std::string_view right) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("code", code);
  if (!right.empty()) json.member("right", right);
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
    return parts_.kept.record({&entry, 1});
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
  add(std::move(entry));
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
  entry.after = refusal_text(pipeline::row_of(who.reason).code, who.right);
  add(std::move(entry));
}

void Attendance::tell(const std::vector<Strangers::Untold>& untold) {
  for (const Strangers::Untold& each : untold) {
    storage::Author author = unknown(each.last);
    author.subject = each.subject;
    author.credential_id = each.credential_id;
    add(summary(std::move(author), each.count));
  }
}

void Attendance::close() {
  tell(strangers_.take_all());
  const std::lock_guard lock(mutex_);
  if (lost_ > 0) begin_writing();
}

void Attendance::add(Entry entry) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kWaitingMax) {
    ++lost_;
  } else {
    waiting_.push_back(std::move(entry));
  }
  begin_writing();
}

void Attendance::begin_writing() {
  if (std::exchange(at_work_, true)) return;
  parts_.desk.post([this] { write(); });
}

void Attendance::write() {
  std::vector<Entry> all;
  std::uint64_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    all.swap(waiting_);
    lost = std::exchange(lost_, 0);
    at_work_ = false;
  }
  if (lost > 0) all.push_back(summary({storage::Author::Kind::kGateway, {}, {}, {}, {}}, lost));
  const FaultOr<void> kept = parts_.kept.record(all);
  if (kept) return;
  const std::lock_guard lock(mutex_);
  // They are told with the next, as a number.
  lost_ += lost + all.size() - (lost > 0 ? 1 : 0);
  if (lost == 0) {
    fmt::print(stderr,
               "tollgate: who was refused at the admin address, or left it, is not on record: {}\n",
               kept.error().message);
  }
}

}  // namespace tollgate::admin
