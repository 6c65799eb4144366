// The shape of the file: one table a section. The parser, the nearest known names, the JSON
// Schema and docs/configuration.md all come from these tables, so they cannot disagree.
//
// What the public contract knows and this version does not serve stands here too, as
// Kind::kNotServed or under `later`: it is told as such instead of as an unknown word.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::config {

enum class Kind : std::uint8_t {
  kText,       // Any text but the empty one.
  kName,       // is_name()
  kModelName,  // is_model_name()
  kRoutePath,  // is_canonical_path()
  kFile,       // A path, relative to the folder of the file.
  kSecret,     // A text, or file:PATH; never shown.
  kLedger,     // sqlite:///…, sqlite://…, postgres://…, memory
  kRateStore,  // redis://…, rediss://…, memory
  kCount,      // A whole number from min to max.
  kDuration,   // From min to max microseconds.
  kBytes,      // From min to max bytes.
  kMoney,
  kPrice,    // Dollars a million tokens.
  kShare,    // 0 to 1.
  kFlag,     // true, false
  kAddress,  // host:port
  kUrl,
  kTimeZone,   // A name that cost::TimeZone knows.
  kTokenizer,  // One of names(), or the path of a tokenizer.json, as kFile.
  kChoice,     // One of names(), or a mapping of one key of `section`, where there is one.
  kSection,    // A mapping of the keys of `section`.
  kMap,        // A mapping from names to `section`, or to keys() where those are given.
  kList,       // A list of `of`.
  kTexts,      // One text, or a list of up to `max` of them.
  kTextMap,    // A mapping of up to `max` texts to `of`, a scalar or kTexts.
  kNotServed,  // Known, and not served by this version.
};

enum class Need : std::uint8_t { kOptional, kRequired };

using Names = std::vector<std::string_view> (*)();

struct Section;

// Where the values of a kTextMap are kTexts.
inline constexpr std::int64_t kTextsOfMapMax = 1024;

struct Field {
  std::string_view key;
  Kind kind = Kind::kText;
  std::string_view doc;
  Need need = Need::kOptional;
  std::string_view fallback;  // What holds when it is not written, as it would be written.
  std::int64_t min = 0;
  std::int64_t max = 0;
  Names names = nullptr;             // Of kChoice and kTokenizer.
  Names later = nullptr;             // Values known and not served; "x://" is a prefix.
  std::string_view later_because;    // Why they are not, where there is more to say.
  const Section* section = nullptr;  // Of kSection, kMap, kList of kSection, and kChoice.
  Kind of = Kind::kText;             // Of kList and kTextMap.
  Names keys = nullptr;              // Of kMap: the only keys there are.
  Kind key_kind = Kind::kName;       // Of kMap without keys: kName or kModelName.
};

struct Section {
  std::string_view name;  // Of its chapter in the reference, and in the schema: "upstream".
  std::string_view doc;
  std::span<const Field> fields;
  const Field* find(std::string_view key) const;
};

const Section& root_section();

// Every section that can be reached from the root, each once, parents first.
std::vector<const Section*> all_sections();

// "a duration from `1ms` to `10m`, such as `30s`": what is expected in a field.
std::string expectation(const Field& field);

// The reference of the file, docs/configuration.md.
std::string reference();

}  // namespace tollgate::config
