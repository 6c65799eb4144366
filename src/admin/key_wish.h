// What is asked for when a key is made, ended or taken over from another gateway: the bodies of
// the admin API and the files and options of the command, in one place.
//
// Pure. What cannot be understood is told in a sentence; nothing that is asked is ignored.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/new_key.h"
#include "admin/query.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "storage/key_import.h"

namespace tollgate::admin {

// How long a key that was rotated still works, where nobody says otherwise.
inline constexpr std::string_view kOverlapUsual = "24h";

// "90d" from now on, a date, a moment, or "never".
OrWords<std::optional<WallTime>> read_expiry(std::string_view text, WallTime now);

// Adds a text to the scopes under the name of its list: routes, models, tools or addresses.
OrWords<void> add_scope(authentication::KeyScopes& scopes, std::string_view list,
                        std::string_view text);

// {"tenant": …, "user", "roles", "name", "expires", "scopes": {"routes", "models", "tools",
// "addresses"}}
OrWords<KeyWish> read_wish(std::string_view body, WallTime now);

// What every wish for a new key must keep, wherever it comes from.
OrWords<void> check(const KeyWish& wish, WallTime now);

// The one member `name` of a body, or `usual` where there is no body.
OrWords<std::string> read_only_member(std::string_view body, std::string_view name,
                                      std::string_view usual);

// What is to be imported at once, and the line of each in its file.
struct ImportBatch {
  std::vector<authentication::KeyRecord> keys;
  std::vector<std::int64_t> lines;
};

// Reads JSON objects, one a line, of the form of a wish with a "digest" as imported_key.h has it.
// Tells the line at fault.
class ImportReader {
 public:
  // Whether the key may be imported; else why not.
  using May = std::function<OrWords<void>(const authentication::KeyRecord& key)>;

  // The pepper outlives it.
  ImportReader(const authentication::Pepper& pepper, WallTime now, May may)
      : pepper_(pepper), now_(now), may_(std::move(may)) {}

  // Without its line end.
  OrWords<void> take(std::string_view line);
  // Whether there is a batch of storage::kKeysOfBatchMax.
  bool is_full() const { return batch_.keys.size() >= storage::kKeysOfBatchMax; }
  // What was read since the last one.
  ImportBatch take_batch() { return std::exchange(batch_, {}); }

 private:
  const authentication::Pepper& pepper_;
  const WallTime now_;
  const May may_;
  simdjson::dom::parser parser_;
  ImportBatch batch_;
  std::int64_t number_ = 0;
};

// All lines of a body, which is one batch.
OrWords<ImportBatch> read_imports(std::string_view lines, ImportReader& reader);

}  // namespace tollgate::admin
