#include "admin/key_wish.h"

#include <fmt/format.h>

#include <algorithm>

#include "admin/members.h"
#include "controls/authentication/imported_key.h"

namespace tollgate::admin {

namespace {

using authentication::KeyScopes;

OrWords<KeyScopes> scopes_of(const simdjson::dom::element& value) {
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return std::unexpected("`scopes` is no object");
  KeyScopes scopes;
  const auto take = [&](std::string_view name,
                        const simdjson::dom::element& list) -> OrWords<void> {
    const OrWords<std::vector<std::string>> texts = texts_of(name, list);
    if (!texts) return std::unexpected(texts.error());
    if (texts->empty()) {
      return std::unexpected(
          fmt::format("`scopes.{}` is empty: leave it out, or say what the key is for", name));
    }
    for (const std::string& text : *texts) {
      if (OrWords<void> added = add_scope(scopes, name, text); !added) return added;
    }
    return {};
  };
  if (OrWords<void> taken = each_member(object, take); !taken) {
    return std::unexpected(taken.error());
  }
  return scopes;
}

// What a wish and a line of an import have in common; nothing: the member is another one.
OrWords<bool> take_member(KeyWish& wish, std::string_view name, const simdjson::dom::element& value,
                          WallTime now) {
  if (name == "roles") {
    OrWords<std::vector<std::string>> roles = texts_of(name, value);
    if (!roles) return std::unexpected(roles.error());
    wish.roles = std::move(*roles);
    return true;
  }
  if (name == "scopes") {
    OrWords<KeyScopes> scopes = scopes_of(value);
    if (!scopes) return std::unexpected(scopes.error());
    wish.scopes = std::move(*scopes);
    return true;
  }
  if (name != "tenant" && name != "user" && name != "name" && name != "expires") return false;
  OrWords<std::string> text = text_of(name, value);
  if (!text) return std::unexpected(text.error());
  if (name == "expires") {
    const OrWords<std::optional<WallTime>> expires = read_expiry(*text, now);
    if (!expires) return std::unexpected(fmt::format("`expires` {}", expires.error()));
    wish.expires = *expires;
  } else {
    (name == "tenant" ? wish.tenant : name == "user" ? wish.user : wish.name) = std::move(*text);
  }
  return true;
}

OrWords<authentication::KeyRecord> read_import(simdjson::dom::parser& parser, std::string_view line,
                                               const authentication::Pepper& pepper, WallTime now) {
  KeyWish wish;
  std::optional<authentication::Digest> digest;
  const auto take = [&](std::string_view name,
                        const simdjson::dom::element& value) -> OrWords<void> {
    if (name == "digest") {
      const OrWords<std::string> text = text_of(name, value);
      if (text) digest = authentication::read_imported_digest(*text);
      if (digest) return {};
      return std::unexpected("`digest` wants `sha256:` and the 64 hexadecimal digits of it");
    }
    const OrWords<bool> taken = take_member(wish, name, value, now);
    if (!taken) return std::unexpected(taken.error());
    if (*taken) return {};
    return std::unexpected(fmt::format(
        "`{}` is not known here; known are digest, tenant, user, roles, name, expires, scopes",
        name));
  };
  if (OrWords<void> taken = each_member(parser, line, take); !taken) {
    return std::unexpected(taken.error());
  }
  if (!digest) return std::unexpected("`digest` is required");
  if (wish.tenant.empty()) return std::unexpected("`tenant` is required");
  const authentication::ImportedKey key = authentication::imported_key(pepper, *digest);
  return record_of(wish, std::string(key.id()), key.digest, now);
}

}  // namespace

OrWords<std::optional<WallTime>> read_expiry(std::string_view text, WallTime now) {
  if (text == "never") return std::nullopt;
  if (const std::optional<Duration> span = parse_span(text)) return now + *span;
  const OrWords<WallTime> moment = parse_moment(text, now);
  if (moment) return *moment;
  return std::unexpected("wants a span such as 90d or 12h, a date, a moment or `never`");
}

OrWords<void> add_scope(KeyScopes& scopes, std::string_view list, std::string_view text) {
  if (text.empty()) return std::unexpected(fmt::format("`scopes.{}` holds an empty text", list));
  if (list == "addresses") {
    const std::optional<AddressRange> range = read_address_range(text);
    if (!range) {
      return std::unexpected(
          fmt::format("`{}` is no address and no range such as 10.0.0.0/8", text));
    }
    scopes.addresses.push_back(*range);
    return {};
  }
  if (list != "routes" && list != "models" && list != "tools") {
    return std::unexpected(fmt::format(
        "`scopes.{}` is not known here; known are routes, models, tools, addresses", list));
  }
  (list == "routes"   ? scopes.routes
   : list == "models" ? scopes.models
                      : scopes.tools)
      .emplace_back(text);
  return {};
}

OrWords<KeyWish> read_wish(std::string_view body, WallTime now) {
  simdjson::dom::parser parser;
  KeyWish wish;
  const auto take = [&](std::string_view name,
                        const simdjson::dom::element& value) -> OrWords<void> {
    const OrWords<bool> taken = take_member(wish, name, value, now);
    if (!taken) return std::unexpected(taken.error());
    if (*taken) return {};
    return std::unexpected(fmt::format(
        "`{}` is not known here; known are tenant, user, roles, name, expires, scopes", name));
  };
  if (OrWords<void> taken = each_member(parser, body, take); !taken) {
    return std::unexpected(taken.error());
  }
  if (wish.tenant.empty()) return std::unexpected("`tenant` is required");
  if (OrWords<void> good = check(wish, now); !good) return std::unexpected(good.error());
  return wish;
}

OrWords<void> check(const KeyWish& wish, WallTime now) {
  if (!wish.expires || *wish.expires > now) return {};
  return std::unexpected("`expires` is past: the key would be none from the beginning");
}

OrWords<std::string> read_only_member(std::string_view body, std::string_view name,
                                      std::string_view usual) {
  std::string found(usual);
  if (body.empty()) return found;
  simdjson::dom::parser parser;
  const auto take = [&](std::string_view given,
                        const simdjson::dom::element& value) -> OrWords<void> {
    if (given != name) {
      return std::unexpected(fmt::format("`{}` is not known here; known is {}", given, name));
    }
    OrWords<std::string> text = text_of(name, value);
    if (!text) return std::unexpected(text.error());
    found = std::move(*text);
    return {};
  };
  if (OrWords<void> taken = each_member(parser, body, take); !taken) {
    return std::unexpected(taken.error());
  }
  return found;
}

OrWords<void> ImportReader::take(std::string_view line) {
  ++number_;
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return {};
  OrWords<authentication::KeyRecord> key = read_import(parser_, line, pepper_, now_);
  if (key) {
    if (OrWords<void> good = may_(*key); !good) key = std::unexpected(good.error());
  }
  if (!key) return std::unexpected(fmt::format("line {}: {}", number_, key.error()));
  batch_.keys.push_back(std::move(*key));
  batch_.lines.push_back(number_);
  return {};
}

OrWords<ImportBatch> read_imports(std::string_view lines, ImportReader& reader) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    if (OrWords<void> taken = reader.take(lines.substr(0, end)); !taken) {
      return std::unexpected(taken.error());
    }
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (reader.is_full() && !lines.empty()) {
      return std::unexpected(
          fmt::format("more than {} keys: send the rest by themselves", storage::kKeysOfBatchMax));
    }
  }
  return reader.take_batch();
}

}  // namespace tollgate::admin
