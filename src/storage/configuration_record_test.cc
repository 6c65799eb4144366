#include "storage/configuration_record.h"

#include <boost/json.hpp>

#include "storage/changes.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

std::unique_ptr<config::Config> with_body(Bytes body, const std::string& version) {
  auto made = std::make_unique<config::Config>();
  made->version = version;
  made->file = "tollgate.yaml";
  config::Route route;
  route.name = "chat";
  route.prompt.body = body;
  made->routes.push_back(route);
  return made;
}

class Configuration : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  FaultOr<void> take_over(std::string_view gateway, TakenOver how, const config::Config& now) {
    auto transaction = Transaction::begin(*database_);
    if (FaultOr<void> done = record_configuration(*database_, gateway, how, now); !done) {
      return done;
    }
    return transaction->commit();
  }
  std::vector<boost::json::value> changes() {
    std::vector<boost::json::value> all;
    EXPECT_TRUE(export_audit(*database_, {}, [&](std::string_view line) {
      all.push_back(boost::json::parse(line));
      return true;
    }));
    return all;
  }

  std::unique_ptr<Database> database_ = connect();
};

TEST_P(Configuration, IsOnRecordLeafByLeafWhereItDiffers) {
  ASSERT_TRUE(take_over("one", TakenOver::kAtStart, *with_body(1024, "v1")));
  ASSERT_TRUE(take_over("one", TakenOver::kAtStart, *with_body(1024, "v1")));
  ASSERT_TRUE(take_over("two", TakenOver::kAtStart, *with_body(1024, "v1")));
  ASSERT_TRUE(take_over("one", TakenOver::kAtReload, *with_body(2048, "v2")));
  ASSERT_TRUE(take_over("one", TakenOver::kAtReload, *with_body(2048, "v3")));
  const auto all = changes();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].at("action"), "configuration.start");
  EXPECT_EQ(all[0].at("actor"), (boost::json::object{{"kind", "gateway"}, {"subject", "one"}}));
  EXPECT_EQ(all[0].at("after").at("version"), "v1");
  EXPECT_EQ(all[0].at("after").at("configuration").at("routes").at(0).at("name"), "chat");
  EXPECT_EQ(all[1].at("object"), "two");
  EXPECT_EQ(all[2].at("action"), "configuration.reload");
  EXPECT_EQ(boost::json::serialize(all[2].at("before")), R"({"version":"v1"})");
  EXPECT_EQ(boost::json::serialize(all[2].at("after")),
            R"({"version":"v2","differs":[{"path":"routes[chat].prompt.body","before":"1KiB",)"
            R"("after":"2KiB"}]})");
  EXPECT_EQ(boost::json::serialize(all[3].at("after")), R"({"version":"v3","differs":[]})");
}

TEST_P(Configuration, ThatIsTooLongIsToldByItsHashBesideItsVersion) {
  const auto large = with_body(1, "v1");
  for (int n = 0; n < 2000; ++n) {
    large->routes.push_back(large->routes.front());
    large->routes.back().name = "route" + std::to_string(n);
  }
  ASSERT_TRUE(take_over("one", TakenOver::kAtStart, *large));
  ASSERT_TRUE(take_over("one", TakenOver::kAtReload, *with_body(1, "v2")));
  const auto all = changes();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].at("after").at("version"), "v1");
  EXPECT_EQ(all[0].at("after").at("configuration").at("sha256").get_string().size(), 64U);
  EXPECT_EQ(all[1].at("after").at("version"), "v2");
  EXPECT_GT(all[1].at("after").at("differs").at("bytes").as_int64(), 65'536);
}

TEST_P(Configuration, IsNotTakenOverWhereThatCannotBeRecorded) {
  ASSERT_TRUE(take_over("one", TakenOver::kAtStart, *with_body(1, "v1")));
  refuse_writes(*database_);
  EXPECT_FALSE(take_over("one", TakenOver::kAtReload, *with_body(2, "v2")));
  allow_writes(*database_);
  EXPECT_EQ(changes().size(), 1U);
  ASSERT_TRUE(take_over("one", TakenOver::kAtReload, *with_body(2, "v2")));
  EXPECT_EQ(changes().size(), 2U);
}

INSTANTIATE_TEST_SUITE_P(Stores, Configuration, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
