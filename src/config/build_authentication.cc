#include "config/build.h"

namespace tollgate::config {

void build_authentication(const View& view, Config& config, Report& report) {
  authentication::Policy& made = config.authentication;
  made.api_keys = view.has("api_keys");
  made.pepper_file = file_of(report, view.section("api_keys"), "pepper_file");
}

}  // namespace tollgate::config
