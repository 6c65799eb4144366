// What the books say, as JSON: the same forms for the admin API and the commands.
//
// Pure. Money is written as a decimal literal, never through a float.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/rfc3339.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "storage/gateways.h"
#include "storage/key_rows.h"
#include "storage/memory_ledger.h"
#include "storage/spend.h"

namespace tollgate::admin {

using tollgate::rfc3339;

// One key without its secret, or with one that was just made.
std::string key_json(const authentication::KeyRecord& key, std::string_view secret = {});
std::string keys_json(const std::vector<authentication::KeyRecord>& keys);
// {"data": […], "has_more": …, "next": "…"}
std::string key_page_json(const storage::KeyPage& page);
// What became of an import of the keys of these ids, `made` of which are new.
std::string import_json(const std::vector<std::string>& ids, std::size_t made);
// Why a key was not changed, or a batch not imported, in a sentence; empty where it was.
std::string_view why_not_done(storage::KeyVerdict verdict);
std::string_view why_not_imported(storage::Imported::Refused refused);

// Rows of the books under the name of what they are grouped by.
std::string spend_json(storage::SpendBy by, const std::vector<storage::SpendRow>& rows);
std::string spend_name(storage::SpendBy by, const storage::SpendRow& row);

std::string gateways_json(const std::vector<storage::GatewayStanding>& gateways);
std::string retirement_json(const storage::Retirement& done);

std::string budgets_json(const storage::Standings& standings);

}  // namespace tollgate::admin
