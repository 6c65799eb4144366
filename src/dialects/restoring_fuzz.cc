// Any bytes as a stream: nothing crashes, and without a mask in them they go on as they came. The
// same bytes as the text of an answer, in pieces of any size: restored it reads as it does whole.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "dialects/raw_strings.h"
#include "dialects/restoring.h"

using namespace tollgate::dialects;

namespace {

constexpr Masked kMasked[] = {{"[REDACTED:a#1]", "one"}, {"[REDACTED:a#2]", "\"t\\wo\"\n"}};

std::string passed(std::string_view stream, std::size_t size) {
  Restoring restoring(kMasked);
  std::string all;
  for (std::size_t at = 0; at < stream.size(); at += size) {
    std::string bytes(stream.substr(at, size));
    restoring.pass(bytes);
    all += bytes;
  }
  std::string end;
  restoring.finish(end);
  return all + end;
}

// The strings of all events under that key, one behind the other.
std::string texts_in(std::string_view stream, std::string_view key) {
  std::string made;
  RawStrings strings(stream);
  for (RawString string; strings.next(string);) {
    if (string.key == key) made += stream.substr(string.begin, string.end - string.begin);
  }
  return made;
}

}  // namespace

// The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t piece = 1 + data[0] % 64;
  const std::string all = passed(std::string(input) + "\n\n", piece);
  if (input.find("REDACTED") == std::string_view::npos &&
      input.find('\r') == std::string_view::npos) {
    CHECK(all.starts_with(input));
  }

  std::string text(input);
  std::erase_if(text, [](char c) { return c < ' ' || c == '"' || c == '\\' || c > '~'; });
  std::string whole = "{\"text\":\"" + text + "\"}";
  Restoring(kMasked).restore(whole);
  std::string stream;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    stream += "data: {\"text\":\"" + text.substr(at, piece) + "\"}\n\n";
  }
  CHECK(texts_in(passed(stream, stream.size() + 1), "text") == texts_in(whole, "text"));
  return 0;
}
