#include "controls/cost/time_zone.h"

#include <unicode/ucal.h>
#include <unicode/uenum.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tollgate::cost {

namespace {

using std::chrono::sys_days;
using std::chrono::year;

constexpr std::string_view kUtc = "UTC";
constexpr WallTime kFrom = sys_days(year(1970) / 1 / 1);
constexpr WallTime kUntil = sys_days(year(2200) / 1 / 1);
// No clock was ever further from UTC.
constexpr Duration kAheadMost = std::chrono::hours(24);

struct Change {
  WallTime at;
  Duration ahead;  // From here on.
};

struct CloseCalendar {
  void operator()(UCalendar* calendar) const { ucal_close(calendar); }
};
struct CloseNames {
  void operator()(UEnumeration* names) const { uenum_close(names); }
};

UDate milliseconds(WallTime moment) {
  return static_cast<UDate>(moment.time_since_epoch() / std::chrono::milliseconds(1));
}

Duration ahead_at(UCalendar* calendar, WallTime moment, UErrorCode& status) {
  ucal_setMillis(calendar, milliseconds(moment), &status);
  return std::chrono::milliseconds(ucal_get(calendar, UCAL_ZONE_OFFSET, &status) +
                                   ucal_get(calendar, UCAL_DST_OFFSET, &status));
}

// Empty: ICU could not tell.
std::vector<Change> changes_of(std::string_view name) {
  UErrorCode status = U_ZERO_ERROR;
  const std::u16string id(name.begin(), name.end());
  const std::unique_ptr<UCalendar, CloseCalendar> calendar(
      ucal_open(id.data(), static_cast<int32_t>(id.size()), "en", UCAL_GREGORIAN, &status));
  if (U_FAILURE(status)) return {};
  std::vector<Change> changes{{WallTime::min(), ahead_at(calendar.get(), kFrom, status)}};
  for (WallTime at = kFrom; U_SUCCESS(status);) {
    ucal_setMillis(calendar.get(), milliseconds(at), &status);
    UDate next = 0;
    if (!ucal_getTimeZoneTransitionDate(calendar.get(), UCAL_TZ_TRANSITION_NEXT, &next, &status))
      break;
    at = WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(next)));
    if (at >= kUntil) break;
    const Duration ahead = ahead_at(calendar.get(), at, status);
    // Some changes are of the name alone.
    if (ahead != changes.back().ahead) changes.push_back({at, ahead});
  }
  return U_FAILURE(status) ? std::vector<Change>() : changes;
}

// ICU also knows names of its own, some of which stand for several places ("IST", "CST").
bool is_iana(std::string_view name) {
  return name == kUtc || (name.find('/') != std::string_view::npos &&
                          !name.starts_with("SystemV/") && name != "Etc/Unknown");
}

std::vector<std::string> read_names() {
  std::vector<std::string> names{std::string(kUtc)};
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UEnumeration, CloseNames> all(
      ucal_openTimeZoneIDEnumeration(UCAL_ZONE_TYPE_ANY, nullptr, nullptr, &status));
  while (U_SUCCESS(status)) {
    int32_t size = 0;
    const char* name = uenum_next(all.get(), &size, &status);
    if (name == nullptr || U_FAILURE(status)) break;
    const std::string_view found(name, static_cast<std::size_t>(size));
    if (is_iana(found)) names.emplace_back(found);
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::unique(names);
  names.erase(twice.begin(), twice.end());
  return names;
}

}  // namespace

struct TimeZone::Table {
  std::string_view name;        // One of known_time_zones().
  std::vector<Change> changes;  // The first is at the beginning of time.
};

const std::vector<std::string_view>& known_time_zones() {
  static const std::vector<std::string> kNames = read_names();
  static const std::vector<std::string_view> kViews(kNames.begin(), kNames.end());
  return kViews;
}

// One for each name, at most as many as ICU knows, and never freed: values point to them.
const TimeZone::Table* TimeZone::read(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string_view, Table>& tables = *new std::map<std::string_view, Table>;
  const std::lock_guard lock(mutex);
  Table& table = tables[name];
  if (table.changes.empty()) table = {name, changes_of(name)};
  return table.changes.empty() ? nullptr : &table;
}

std::optional<TimeZone> TimeZone::named(std::string_view name) {
  if (name == kUtc) return TimeZone();
  const auto& known = known_time_zones();
  const auto found = std::ranges::lower_bound(known, name);
  if (found == known.end() || *found != name) return std::nullopt;
  const Table* table = read(*found);
  if (table == nullptr) return std::nullopt;
  return TimeZone(table);
}

std::string_view TimeZone::name() const { return table_ == nullptr ? kUtc : table_->name; }

TimeZone::Stretch TimeZone::stretch(std::size_t index) const {
  if (table_ == nullptr) return {WallTime::min(), WallTime::max(), {}};
  const std::vector<Change>& changes = table_->changes;
  const WallTime end = index + 1 < changes.size() ? changes[index + 1].at : WallTime::max();
  return {changes[index].at, end, changes[index].ahead};
}

std::size_t TimeZone::index_of(WallTime moment) const {
  if (table_ == nullptr) return 0;
  const auto after = std::ranges::upper_bound(table_->changes, moment, {}, &Change::at);
  return static_cast<std::size_t>(after - table_->changes.begin()) - 1;
}

TimeZone::Stretch TimeZone::stretch_of(WallTime moment) const { return stretch(index_of(moment)); }

WallTime TimeZone::first(LocalTime reading) const {
  const WallTime as_utc(reading.time_since_epoch());
  for (std::size_t index = index_of(as_utc - kAheadMost);; ++index) {
    const Stretch here = stretch(index);
    const WallTime moment = as_utc - here.ahead;
    if (moment < here.end) return std::max(moment, here.start);
  }
}

}  // namespace tollgate::cost
