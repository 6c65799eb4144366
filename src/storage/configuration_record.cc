#include "storage/configuration_record.h"

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "base/json_writer.h"
#include "config/differing_leaves.h"
#include "config/load.h"
#include "controls/audit/audit.h"
#include "storage/changes.h"
#include "storage/gateway_name.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// What the gateway has in force, as effective_json() tells it.
constexpr std::string_view kInForce = "configuration";
// So much of a list of leaves is told as it is.
constexpr std::size_t kLeavesBytesMax = audit::kChangeTextBytesMax - 1024;

std::string version_in(std::string_view effective) {
  boost::system::error_code error;
  const boost::json::value read = boost::json::parse(effective, error);
  if (error || !read.is_object()) return {};
  const boost::json::value* version = read.get_object().if_contains("version");
  if (version == nullptr || !version->is_string()) return {};
  return std::string(version->get_string());
}

std::string form(std::string_view version, std::string_view name, std::string_view rest) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("version", version);
  if (!name.empty()) {
    json.key(name);
    json.raw(rest.size() > kLeavesBytesMax ? audit::told_by_hash(rest) : std::string(rest));
  }
  json.end_object();
  return out;
}

}  // namespace

FaultOr<void> record_configuration(Database& database, std::string_view gateway, TakenOver how,
                                   const config::Config& now) {
  const std::string mark = mark_of(gateway, kInForce);
  const std::string effective = config::effective_json(now);
  TRY(before, read_mark(database, mark));
  if (before == effective) return {};
  TRY_DO(write_mark(database, mark, effective));
  std::string was;
  std::string is;
  if (before) {
    was = form(version_in(*before), {}, {});
    is = form(now.version, "differs", config::differing_leaves_json(*before, effective));
  } else {
    is = form(now.version, "configuration", effective);
  }
  Author author;
  author.kind = Author::Kind::kGateway;
  author.subject = gateway;
  const std::string_view action =
      how == TakenOver::kAtStart ? "configuration.start" : "configuration.reload";
  return record_change(database, author, {action, gateway, {}, was, is});
}

}  // namespace tollgate::storage
