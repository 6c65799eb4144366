#include "admin/new_token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "admin/key_wish.h"
#include "admin/members.h"
#include "base/json_writer.h"
#include "storage/admin_tokens.h"

namespace tollgate::admin {

namespace {

OrWords<void> take_member(TokenWish& wish, std::string_view name,
                          const simdjson::dom::element& value, WallTime now) {
  if (name == "tenants") {
    OrWords<std::vector<std::string>> tenants = texts_of(name, value);
    if (!tenants) return std::unexpected(tenants.error());
    if (tenants->empty()) {
      return std::unexpected("`tenants` is empty: leave it out, or say which");
    }
    wish.grant.tenants = std::move(*tenants);
    return {};
  }
  OrWords<std::string> text = text_of(name, value);
  if (!text) return std::unexpected(text.error());
  if (name == "name") {
    wish.name = std::move(*text);
  } else if (name == "role") {
    const auto role = administration::role_named(*text);
    if (!role) return std::unexpected("`role` is viewer, auditor, operator or owner");
    wish.grant.role = *role;
  } else if (name == "expires") {
    const auto expires = read_expiry(*text, now);
    if (!expires) return std::unexpected(fmt::format("`expires` {}", expires.error()));
    wish.grant.expires = *expires;
  } else {
    return std::unexpected(
        fmt::format("`{}` is not known here; known are name, role, tenants, expires", name));
  }
  return {};
}

}  // namespace

OrWords<TokenWish> read_token_wish(std::string_view body, WallTime now) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body.data(), body.size()).get(object) != simdjson::SUCCESS) {
    return std::unexpected("the body is no JSON object");
  }
  TokenWish wish;
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : object) {
    if (std::ranges::count(seen, name) != 0) {
      return std::unexpected(fmt::format("`{}` is there twice", name));
    }
    seen.push_back(name);
    if (OrWords<void> taken = take_member(wish, name, value, now); !taken) {
      return std::unexpected(taken.error());
    }
  }
  if (std::ranges::count(seen, std::string_view("role")) == 0) {
    return std::unexpected("`role` is required");
  }
  if (OrWords<void> good = check(wish); !good) return std::unexpected(good.error());
  return wish;
}

OrWords<void> check(const TokenWish& wish) {
  if (wish.name.empty()) return std::unexpected("`name` is required: who is it for?");
  if (wish.name.size() > administration::kNameBytesMax) {
    return std::unexpected(
        fmt::format("`name` is longer than {} bytes", administration::kNameBytesMax));
  }
  return {};
}

FaultOr<MadeToken> make_token(const TokenWish& wish, std::string_view by,
                              const authentication::Pepper& pepper, WallTime now) {
  std::array<std::uint8_t, 64> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return fault(FaultKind::kRefusedByPeer, "the system gave no random bytes for a token");
  }
  authentication::NewKey fresh = administration::make_token(random);
  OPENSSL_cleanse(random.data(), random.size());
  MadeToken made;
  made.record.id = std::move(fresh.id);
  made.record.digest = pepper.digest(fresh.secret);
  made.record.name = wish.name;
  made.record.grant = wish.grant;
  made.record.created = now;
  made.record.created_by = by;
  made.secret = std::move(fresh.secret);
  return made;
}

std::string tokens_json(const std::vector<administration::TokenRecord>& tokens) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const administration::TokenRecord& token : tokens) {
    json.raw(storage::admin_token_form(token));
  }
  json.end_array();
  return out;
}

}  // namespace tollgate::admin
