#include "controls/administration/grant_form.h"

#include "base/rfc3339.h"

namespace tollgate::administration {

std::string tenants_json(const std::vector<std::string>& tenants) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const std::string& tenant : tenants) json.value(std::string_view(tenant));
  json.end_array();
  return out;
}

void write_moment(JsonWriter& json, std::string_view name, const std::optional<WallTime>& moment) {
  json.key(name);
  if (moment) {
    json.value(std::string_view(rfc3339(*moment)));
  } else {
    json.null();
  }
}

void write_tenants(JsonWriter& json, const Grant& grant) {
  json.key("tenants");
  json.raw(tenants_json(grant.tenants));
}

void write_expires(JsonWriter& json, const Grant& grant) {
  write_moment(json, "expires", grant.expires);
}

}  // namespace tollgate::administration
