#include "storage/anomaly_snapshot.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tollgate::storage {
namespace {

constexpr WallTime kNow{std::chrono::hours(24 * 365 * 50)};

// Something that is known of one actor.
void teach(anomalies::Anomalies& anomalies) {
  const std::string_view texts[] = {"please compare the invoice with the contract of last month"};
  anomalies::Asked asked;
  asked.features = anomalies::measure(texts, anomalies.key());
  asked.actor = anomalies.hash_of("actor");
  asked.route = anomalies.hash_of("chat");
  asked.now = kNow;
  anomalies.observe({}, asked);
}

class AnomalySnapshotTest : public ::testing::Test {
 protected:
  ~AnomalySnapshotTest() override { std::filesystem::remove_all(directory_); }
  std::string path() const { return directory_ / "anomalies"; }

  const std::filesystem::path directory_ = [] {
    std::string pattern = std::filesystem::temp_directory_path() / "anomalies-XXXXXX";
    return std::filesystem::path(mkdtemp(pattern.data()));
  }();
  anomalies::Anomalies anomalies_{7};
};

TEST_F(AnomalySnapshotTest, IsReadAgainAsItWas) {
  teach(anomalies_);
  AnomalySnapshot snapshot(path(), anomalies_);
  ASSERT_TRUE(snapshot.save());
  anomalies::Anomalies next(7);
  const FaultOr<bool> loaded = load_anomalies(path(), next);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(*loaded);
  EXPECT_EQ(next.snapshot(), anomalies_.snapshot());
  namespace fs = std::filesystem;
  EXPECT_EQ(fs::status(path()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(AnomalySnapshotTest, IsWrittenOnlyWhereThereIsNews) {
  AnomalySnapshot snapshot(path(), anomalies_);
  ASSERT_TRUE(snapshot.save());
  EXPECT_FALSE(std::filesystem::exists(path()));
  teach(anomalies_);
  ASSERT_TRUE(snapshot.save());
  std::filesystem::remove(path());
  ASSERT_TRUE(snapshot.save());
  EXPECT_FALSE(std::filesystem::exists(path()));
  teach(anomalies_);
  ASSERT_TRUE(snapshot.save());
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(AnomalySnapshotTest, IsNotThereAtTheFirstStart) {
  const FaultOr<bool> loaded = load_anomalies(path(), anomalies_);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(*loaded);
}

TEST_F(AnomalySnapshotTest, ThatIsDamagedIsSaidAndNotTaken) {
  teach(anomalies_);
  AnomalySnapshot snapshot(path(), anomalies_);
  ASSERT_TRUE(snapshot.save());
  std::filesystem::resize_file(path(), std::filesystem::file_size(path()) - 1);
  anomalies::Anomalies next(7);
  const FaultOr<bool> loaded = load_anomalies(path(), next);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find(path()), std::string::npos);
  EXPECT_NE(loaded.error().message.find("learned anew"), std::string::npos);
  EXPECT_TRUE(next.snapshot().empty());
  std::ofstream(path(), std::ios::trunc) << "";
  EXPECT_FALSE(load_anomalies(path(), next));
}

TEST_F(AnomalySnapshotTest, ThatCannotBeWrittenIsAFault) {
  teach(anomalies_);
  AnomalySnapshot snapshot((directory_ / "missing" / "anomalies").string(), anomalies_);
  EXPECT_FALSE(snapshot.save());
}

}  // namespace
}  // namespace tollgate::storage
