#include "config/effective_authentication.h"

namespace tollgate::config {

namespace json = boost::json;

json::object effective_authentication(const Config& config) {
  json::object made;
  if (!config.authentication.api_keys) return made;
  json::object keys;
  if (!config.authentication.pepper_file.empty()) {
    keys["pepper_file"] = config.authentication.pepper_file;
  }
  made["api_keys"] = std::move(keys);
  return made;
}

}  // namespace tollgate::config
