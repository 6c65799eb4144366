// Texts and URLs that others wrote: what travels is UTF-8 and is read as it was, and no message
// about a URL shows it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "storage/postgres_place.h"

using tollgate::storage::from_plain_text;
using tollgate::storage::has_stand_ins;
using tollgate::storage::is_plain_text;
using tollgate::storage::number_parameters;
using tollgate::storage::parse_postgres_url;
using tollgate::storage::to_plain_text;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string plain = to_plain_text(text);
  CHECK(from_plain_text(plain) == text);
  CHECK(is_plain_text(text) == (plain == text));
  CHECK(has_stand_ins(plain) == (plain != text));
  // Plain but for its stand-ins, which are characters of their own.
  CHECK(plain.find('\0') == std::string::npos);
  CHECK(number_parameters(text).size() >= text.size());

  const std::string url = "postgres://ada:5ecret@" + std::string(text.substr(0, 4096));
  const auto place = parse_postgres_url(url.substr(0, url.find('\0')));
  if (!place) CHECK(place.error().message.find("5ecret") == std::string::npos);
  return 0;
}
