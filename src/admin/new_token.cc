#include "admin/new_token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>

#include "admin/key_wish.h"
#include "admin/members.h"
#include "base/check.h"
#include "base/json_writer.h"

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
  TokenWish wish;
  bool has_role = false;
  const auto take = [&](std::string_view name,
                        const simdjson::dom::element& value) -> OrWords<void> {
    has_role = has_role || name == "role";
    return take_member(wish, name, value, now);
  };
  if (OrWords<void> taken = each_member(parser, body, take); !taken) {
    return std::unexpected(taken.error());
  }
  if (!has_role) return std::unexpected("`role` is required");
  if (OrWords<void> good = check(wish, now); !good) return std::unexpected(good.error());
  return wish;
}

OrWords<void> check(const TokenWish& wish, WallTime now) {
  if (wish.grant.expires && *wish.grant.expires <= now) {
    return std::unexpected("`expires` is past: a token that has ended is not made");
  }
  if (wish.name.empty()) return std::unexpected("`name` is required: who is it for?");
  if (wish.name.size() > administration::kNameBytesMax) {
    return std::unexpected(
        fmt::format("`name` is longer than {} bytes", administration::kNameBytesMax));
  }
  return check_text("name", wish.name);
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

std::string_view why_not_made(storage::TokenMade verdict) {
  switch (verdict) {
    case storage::TokenMade::kDone:
      return {};
    case storage::TokenMade::kTooMany:
      return "As many admin tokens are in force as may be: revoke some first.";
    case storage::TokenMade::kTooManyOfMaker:
      return "As many admin tokens of this maker are in force as one may have: revoke some first.";
    case storage::TokenMade::kTooManyEnded:
      return "As many admin tokens as may be have ended within the last hour: no more are made for "
             "now.";
  }
  CHECK(false);
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

std::string token_page_json(const storage::TokenPage& page) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("data");
  json.raw(tokens_json(page.tokens));
  json.member("has_more", page.has_more);
  json.key("next");
  if (page.has_more) {
    json.value(std::string_view(page.tokens.back().id));
  } else {
    json.null();
  }
  json.end_object();
  return out;
}

}  // namespace tollgate::admin
