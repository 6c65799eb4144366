#include "controls/administration/grant_form.h"

#include <gtest/gtest.h>

namespace tollgate::administration {
namespace {

TEST(GrantForm, IsOneForAll) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_tenants(json, {Role::kViewer, {"acme", "a\"b\n"}, {}});
  write_expires(json, {Role::kViewer, {}, WallTime(std::chrono::seconds(1'772'602'200))});
  write_moment(json, "revoked", std::nullopt);
  json.end_object();
  EXPECT_EQ(out,
            R"({"tenants":["acme","a\"b\n"],"expires":"2026-03-04T05:30:00Z","revoked":null})");
  EXPECT_EQ(tenants_json({}), "[]");
}

}  // namespace
}  // namespace tollgate::administration
