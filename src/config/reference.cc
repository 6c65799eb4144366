// What the tables of shape.h say, in words: for messages and for docs/configuration.md.
#include <fmt/format.h>

#include "config/scalars.h"
#include "config/shape.h"

namespace tollgate::config {

namespace {

std::string choices(const Field& field) {
  std::string list;
  for (const std::string_view name : field.names()) {
    if (!list.empty()) list += ", ";
    list += fmt::format("`{}`", name);
  }
  if (field.section == nullptr) return list;
  for (const Field& key : field.section->fields) list += fmt::format(", `{{ {}: … }}`", key.key);
  return list;
}

std::string between(std::string_view what, const std::string& min, const std::string& max) {
  return fmt::format("{} from {} to {}", what, min, max);
}

std::string section_expectation(const Section& section) {
  std::string keys;
  for (const Field& field : section.fields) {
    if (field.need != Need::kRequired) continue;
    keys += fmt::format("{}`{}`", keys.empty() ? " with " : ", ", field.key);
  }
  return "a mapping" + keys;
}

std::string list_expectation(const Field& field) {
  if (field.min > 0) return fmt::format("a list of {} to {}", field.min, field.max);
  return fmt::format("a list of at most {}", field.max);
}

// What stands for a key of a map.
std::string_view key_of(const Field& field) {
  if (field.keys == nullptr) return "name";
  return field.key == "service_tiers" ? "tier" : "scope";
}

std::string type_word(const Field& field) {
  switch (field.kind) {
    case Kind::kSection:
      return fmt::format("[{0}](#{0})", field.section->name);
    case Kind::kMap:
      return fmt::format("{0} → [{1}](#{1}){2}", key_of(field), field.section->name,
                         field.max > 0 ? fmt::format(", at most {}", field.max) : "");
    case Kind::kList: {
      if (field.of == Kind::kSection) {
        return fmt::format("list of [{0}](#{0}), at most {1}", field.section->name, field.max);
      }
      Field item = field;
      item.kind = field.of;
      return fmt::format("{}, each {}", list_expectation(field), expectation(item));
    }
    case Kind::kTextMap: {
      Field value;
      value.kind = field.of;
      value.max = kTextsOfMapMax;
      return fmt::format("text → {}", expectation(value));
    }
    case Kind::kChoice:
      if (field.section == nullptr) return expectation(field);
      return fmt::format("{0}; [{1}](#{1})", expectation(field), field.section->name);
    default:
      return expectation(field);
  }
}

using Values = std::vector<std::string_view>;

std::string chapter(const Section& section) {
  std::string made = fmt::format("\n## {}\n\n{}\n\n", section.name, section.doc);
  made += "| key | type | default | what it says |\n|---|---|---|---|\n";
  std::string later;
  for (const Field& field : section.fields) {
    if (field.kind == Kind::kNotServed) {
      later += fmt::format("{}`{}`", later.empty() ? "" : ", ", field.key);
      continue;
    }
    for (const std::string_view value : field.later != nullptr ? field.later() : Values()) {
      later += fmt::format("{}`{}: {}`", later.empty() ? "" : ", ", field.key, value);
      if (!field.later_because.empty()) later += fmt::format(" ({})", field.later_because);
    }
    const std::string fallback = field.need == Need::kRequired ? "required"
                                 : field.fallback.empty()      ? ""
                                                          : fmt::format("`{}`", field.fallback);
    made +=
        fmt::format("| `{}` | {} | {} | {} |\n", field.key, type_word(field), fallback, field.doc);
  }
  if (!later.empty()) {
    made += fmt::format("\nKnown and not served by this version, so an error: {}.\n", later);
  }
  return made;
}

}  // namespace

std::string expectation(const Field& field) {
  switch (field.kind) {
    case Kind::kText:
      return "a text";
    case Kind::kName:
      return "letters, digits, `_`, `.` or `-`, at most 64";
    case Kind::kModelName:
      return "a model's name: letters, digits and `_.-/:@+`, at most 128";
    case Kind::kRoutePath:
      return "a path such as `/v1/chat/completions`, without dot segments, escapes or a last `/`";
    case Kind::kFile:
      return "the path of a file";
    case Kind::kSecret:
      return "a secret: `${NAME}`, `file:PATH` or a text";
    case Kind::kLedger:
      return "`sqlite:///absolute/path`, `sqlite://relative/path`, `postgres://…` or `memory`";
    case Kind::kRateStore:
      return "`memory`, `redis://…` or `rediss://…`";
    case Kind::kCount:
      return between("a whole number", fmt::format("{}", field.min), fmt::format("{}", field.max));
    case Kind::kDuration:
      return between("a duration", fmt::format("`{}`", format_duration(Duration(field.min))),
                     fmt::format("`{}`", format_duration(Duration(field.max))));
    case Kind::kBytes:
      return between("a size", fmt::format("`{}`", format_bytes(field.min)),
                     fmt::format("`{}`", format_bytes(field.max)));
    case Kind::kMoney:
      return "dollars such as `12.50`, at most six decimals";
    case Kind::kPrice:
      return "dollars a million tokens such as `0.15`, at most six decimals and `1000000`";
    case Kind::kShare:
      return "a share from 0 to 1 such as `0.8`";
    case Kind::kFlag:
      return "`true` or `false`";
    case Kind::kAddress:
      return "an address and port such as `127.0.0.1:8080` or `[::1]:8080`";
    case Kind::kTimeZone:
      return "a time zone of the IANA database such as `Europe/Berlin`, or `UTC`";
    case Kind::kUrl:
      return "`http://` or `https://`, a host and perhaps a port and a path";
    case Kind::kChoice:
      return fmt::format("one of {}", choices(field));
    case Kind::kTokenizer:
      return fmt::format("one of {}, or the path of a `tokenizer.json`", choices(field));
    case Kind::kSection:
      return section_expectation(*field.section);
    case Kind::kMap:
      if (field.max > 0) return fmt::format("a mapping from at most {} names", field.max);
      return "a mapping from names";
    case Kind::kList:
      return list_expectation(field);
    case Kind::kTexts:
      return fmt::format("a text, or a list of 1 to {}", field.max);
    case Kind::kTextMap:
      return fmt::format("a mapping of 1 to {} texts", field.max);
    case Kind::kNotServed:
      break;
  }
  return "nothing";
}

std::string reference() {
  std::string made =
      "# tollgate.yaml, key by key\n\n"
      "This page is written by `tollgate` from the table that its parser reads by; a test holds "
      "the two equal. `tollgate schema` prints the same as JSON Schema for editors, "
      "`tollgate check` holds a file to it and names what is weak in it.\n\n"
      "The file is strict: an unknown key, a key written twice, an anchor, a tag or a second "
      "document is an error, and all errors are told at once with their line. Quantities carry "
      "their unit:\n\n"
      "| quantity | written |\n|---|---|\n"
      "| duration | `200ms`, `30s`, `10m`, `2h`, `90d` |\n"
      "| size | `64KiB`, `1MiB`, `2GiB`, or plain bytes |\n"
      "| money | `12.50`: dollars, at most six decimals, never rounded |\n"
      "| price | `0.15`: dollars a million tokens |\n\n"
      "`${NAME}` and `${NAME:-default}` take a value from the environment, in any value but a "
      "key; `$${` stands for `${`. A secret may be read from a file: `file:PATH`. Paths are "
      "seen from the folder of the file.\n\n"
      "A running gateway takes the file over at SIGHUP, and by itself once a change of it has "
      "settled; by itself it takes no limit, budget or route away. Addresses, exposures and "
      "whether a listener speaks TLS, `store`, `pepper_file`, `audit.keep`, `audit.queue` "
      "and `edge.workers` need a restart: a reload that changes them is refused whole.\n\n"
      "Scopes, by which limits and budgets are counted: `global`, `tenant_id`, `user_id`, "
      "`key_id`, `route`, `model`, `client_ip` (limits only); every distinct value has its own "
      "allowance.\n";
  for (const Section* section : all_sections()) made += chapter(*section);
  return made;
}

}  // namespace tollgate::config
