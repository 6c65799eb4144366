#include "storage/key_form.h"

#include <optional>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "controls/administration/grant_form.h"

namespace tollgate::storage {

namespace {

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name);
  json.begin_array();
  for (const std::string& text : texts) json.value(std::string_view(text));
  json.end_array();
}

void write_id(JsonWriter& json, std::string_view name, const std::string& id) {
  json.key(name);
  if (id.empty()) {
    json.null();
  } else {
    json.value(std::string_view(id));
  }
}

}  // namespace

void write_key_members(JsonWriter& json, const authentication::KeyRecord& key) {
  json.member("tenant", std::string_view(key.tenant));
  json.member("user", std::string_view(key.user));
  write_texts(json, "roles", key.roles);
  json.member("name", std::string_view(key.name));
  administration::write_moment(json, "created", key.created);
  administration::write_moment(json, "expires", key.expires);
  administration::write_moment(json, "revoked", key.revoked);
  json.key("scopes");
  json.begin_object();
  write_texts(json, "routes", key.scopes.routes);
  write_texts(json, "models", key.scopes.models);
  write_texts(json, "tools", key.scopes.tools);
  std::vector<std::string> addresses;
  for (const AddressRange& range : key.scopes.addresses) {
    addresses.push_back(format_address_range(range));
  }
  write_texts(json, "addresses", addresses);
  json.end_object();
  write_id(json, "replaces", key.replaces);
  write_id(json, "replaced_by", key.replaced_by);
}

std::string key_form(const authentication::KeyRecord& key) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("id", std::string_view(key.id));
  write_key_members(json, key);
  json.end_object();
  return out;
}

}  // namespace tollgate::storage
