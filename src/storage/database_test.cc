#include "storage/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "storage/schema.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

class DatabaseFile : public StorageTest {
 protected:
  std::string content() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void set_content(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary) << bytes;
  }
  // A whole database, with all of it in the main file.
  void make() const {
    const auto database = connect();
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(write_mark(*database, "mark" + std::to_string(i), std::string(100, 'x')));
    }
    ASSERT_TRUE(database->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  // Opening refuses and leaves the file as it is.
  void expect_refused(FaultKind kind, const std::string& says) const {
    const std::string before = content();
    const auto opened = Database::open(path());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, kind);
    EXPECT_NE(opened.error().message.find(path()), std::string::npos);
    EXPECT_NE(opened.error().message.find(says), std::string::npos) << opened.error().message;
    EXPECT_EQ(content(), before);
  }
};

TEST_F(DatabaseFile, IsMadeWholeForItsOwnerAlone) {
  connect();
  struct stat status{};
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_EQ(entry.path().string().find(".new"), std::string::npos) << entry.path();
  }
  const auto again = connect();
  const FaultOr<std::optional<std::string>> mark = read_mark(*again, "key_changes");
  ASSERT_TRUE(mark);
  EXPECT_EQ(*mark, "0");
  EXPECT_TRUE(again->check_whole());
}

TEST_F(DatabaseFile, IsRefusedWhenItIsNoDatabase) {
  set_content("listeners:\n  public: {}\n" + std::string(4096, '#'));
  expect_refused(FaultKind::kCorrupt, "not a database");
}

TEST_F(DatabaseFile, IsRefusedWhenItWasEmptied) {
  set_content("");
  expect_refused(FaultKind::kCorrupt, "empty");
}

TEST_F(DatabaseFile, IsRefusedWhenItsHeaderIsDamaged) {
  make();
  std::string bytes = content();
  bytes.replace(0, 16, 16, '\0');
  set_content(bytes);
  expect_refused(FaultKind::kCorrupt, "first page is damaged");
}

TEST_F(DatabaseFile, IsRefusedWhenItIsGoneButItsLogIsThere) {
  std::ofstream(path() + "-wal") << "frames";
  const auto opened = Database::open(path());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, FaultKind::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(DatabaseFile, IsRefusedWhenAnotherProgramWroteIt) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &handle), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle, "CREATE TABLE t (x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(handle);
  expect_refused(FaultKind::kCorrupt, "another program");
}

TEST_F(DatabaseFile, IsRefusedWhenANewerVersionWroteIt) {
  {
    const auto database = connect();
    ASSERT_TRUE(database->execute("PRAGMA user_version = 99"));
    ASSERT_TRUE(database->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  expect_refused(FaultKind::kCorrupt, "version 99");
}

// What a file of version 4 holds of the trail goes on as the one gateway's.
TEST_F(DatabaseFile, IsBroughtUpToDateWithAllThatItHolds) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &handle), SQLITE_OK);
  std::string sql = "PRAGMA application_id = " + std::to_string(kApplicationId) + ";";
  for (std::size_t step = 0; step < 4; ++step) sql += kSchemaSteps[step];
  sql +=
      "INSERT INTO audit_groups VALUES (1, 2, 10, 20, 20, x'01', 5, x'02', x'03', x'04', 7), "
      "(3, 9, 30, 40, 40, x'11', 6, x'12', x'13', x'14', 8);"
      "INSERT INTO waiting_bookings VALUES ('req_1', x'0506'); PRAGMA user_version = 4";
  ASSERT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(handle);
  const auto database = connect();
  const auto rows = [&](const char* query) {
    auto statement = database->prepare(query).value();
    std::string all;
    while (statement.step().value()) all.append(statement.text(0)).append(";");
    return all;
  };
  EXPECT_EQ(
      rows("SELECT gateway || first_sequence || '-' || last_sequence || '|' || earliest_us || "
           "'|' || latest_us || '|' || reached_us || '|' || hex(last_hash) || '|' || "
           "text_bytes || '|' || hex(opened) || hex(ended) || hex(records) || '|' || "
           "journal_written FROM audit_groups ORDER BY first_sequence"),
      "gateway1-2|10|20|20|01|5|020304|7;gateway3-9|30|40|40|11|6|121314|8;");
  EXPECT_EQ(rows("SELECT gateway || id || hex(packed) FROM waiting_bookings"), "gatewayreq_10506;");
}

TEST_F(DatabaseFile, TellsOfADirectoryThatIsMissing) {
  const auto opened = Database::open((directory_ / "none" / "tollgate.db").string());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, FaultKind::kUnreachable);
  EXPECT_NE(opened.error().message.find("Create it"), std::string::npos);
}

TEST_F(DatabaseFile, TellsOfAPathThatIsADirectory) {
  std::filesystem::create_directory(path());
  const auto opened = Database::open(path());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("is a directory"), std::string::npos);
}

TEST_F(DatabaseFile, FindsDamageInsideWhenItIsReadWhole) {
  make();
  std::string bytes = content();
  ASSERT_GT(bytes.size(), 6U * 4096);
  // The first pages have the schema, without which nothing opens.
  const std::size_t pages = bytes.size() / 4096;
  for (std::size_t page = pages * 3 / 4; page < pages; ++page) {
    bytes.replace(page * 4096, 64, 64, '\xa5');
  }
  set_content(bytes);
  const auto database = connect();
  ASSERT_TRUE(database);
  const FaultOr<void> checked = database->check_whole();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(checked.error().message.find("backup"), std::string::npos);
}

TEST_F(DatabaseFile, FindsThatItWasCutOff) {
  make();
  const std::string bytes = content();
  set_content(bytes.substr(0, bytes.size() / 2));
  const auto opened = Database::open(path());
  const bool found = !opened || !(*opened)->check_whole();
  EXPECT_TRUE(found);
}

TEST_F(DatabaseFile, KeepsNothingOfATransactionThatWasNotCommitted) {
  const auto database = connect();
  {
    const FaultOr<Transaction> transaction = Transaction::begin(*database);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(write_mark(*database, "half", "1"));
  }
  FaultOr<std::optional<std::string>> mark = read_mark(*database, "half");
  ASSERT_TRUE(mark);
  EXPECT_FALSE(*mark);
}

TEST_F(DatabaseFile, BindsEveryByteOfAValue) {
  const auto database = connect();
  const std::string hostile("'); DROP TABLE keys; --\0\xff\xfe", 26);
  ASSERT_TRUE(write_mark(*database, hostile, ""));
  const FaultOr<std::optional<std::string>> mark = read_mark(*database, hostile);
  ASSERT_TRUE(mark);
  ASSERT_TRUE(*mark);
  EXPECT_EQ(**mark, "");
  EXPECT_TRUE(database->prepare("SELECT count(*) FROM keys"));
}

TEST_F(DatabaseFile, TellsOfALockAndGoesOnAfterIt) {
  const auto ours = connect();
  const auto other = connect();
  ASSERT_TRUE(other->execute("BEGIN EXCLUSIVE"));
  const FaultOr<void> locked = write_mark(*ours, "a", "b");
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().kind, FaultKind::kTimeout);
  ASSERT_TRUE(other->execute("COMMIT"));
  EXPECT_TRUE(write_mark(*ours, "a", "b"));
}

}  // namespace
}  // namespace tollgate::storage
