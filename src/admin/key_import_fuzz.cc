// Lines of keys that are to be imported, whatever they are: told as wrong, or good in all.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "admin/key_wish.h"
#include "base/check.h"
#include "controls/authentication/imported_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate;
  static const std::uint8_t kBytes[32] = {1};
  static const authentication::Pepper pepper(kBytes);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const WallTime now{std::chrono::seconds(1'800'000'000)};
  admin::ImportReader reader(pepper, now,
                             [](const authentication::KeyRecord& key) -> admin::OrWords<void> {
                               if (key.tenant == "acme") return {};
                               return std::unexpected("no such tenant");
                             });
  const auto batch = admin::read_imports(text, reader);
  if (batch) {
    CHECK(batch->keys.size() == batch->lines.size());
    for (const authentication::KeyRecord& key : batch->keys) {
      CHECK(authentication::is_imported(key.id) && key.tenant == "acme");
    }
  } else {
    CHECK(!batch.error().empty());
  }
  (void)admin::read_wish(text, now);
  (void)admin::read_only_member(text, "overlap", "24h");
  return 0;
}
