#include "storage/secret_file.h"

#include <sys/stat.h>

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

class SecretFile : public StorageTest {
 protected:
  std::string file() const { return (directory_ / "pepper").string(); }
};

TEST_F(SecretFile, IsMadeOnceForItsOwnerAlone) {
  const FaultOr<authentication::Pepper> made = load_or_make_pepper(file());
  ASSERT_TRUE(made) << made.error().message;
  struct stat status{};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(status.st_size, 32);
  const FaultOr<authentication::Pepper> loaded = load_or_make_pepper(file());
  ASSERT_TRUE(loaded);
  EXPECT_EQ(made->digest("secret"), loaded->digest("secret"));
  const FaultOr<authentication::Pepper> other = load_or_make_pepper(file() + "2");
  ASSERT_TRUE(other);
  EXPECT_NE(made->digest("secret"), other->digest("secret"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 2);
}

TEST_F(SecretFile, IsRefusedWhenOthersCanReachIt) {
  ASSERT_TRUE(load_or_make_pepper(file()));
  for (const mode_t mode : {0640, 0604, 0620, 0601}) {
    ASSERT_EQ(chmod(file().c_str(), mode), 0);
    const FaultOr<authentication::Pepper> loaded = load_or_make_pepper(file());
    ASSERT_FALSE(loaded) << mode;
    EXPECT_EQ(loaded.error().kind, FaultKind::kRefusedByPeer);
    EXPECT_NE(loaded.error().message.find("chmod 600 " + file()), std::string::npos);
  }
}

TEST_F(SecretFile, IsRefusedWhenItWasCutAndNeverReplaced) {
  std::ofstream(file()) << "short";
  ASSERT_EQ(chmod(file().c_str(), 0600), 0);
  const FaultOr<authentication::Pepper> loaded = load_or_make_pepper(file());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, FaultKind::kCorrupt);
  EXPECT_EQ(std::filesystem::file_size(file()), 5U);
}

TEST_F(SecretFile, TellsOfADirectoryThatIsMissing) {
  const auto made = load_or_make_pepper((directory_ / "none" / "pepper").string());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, FaultKind::kUnreachable);
}

TEST_F(SecretFile, HoldsAnAdminTokenThatAHeaderCanCarry) {
  const FaultOr<config::Secret> made = load_or_make_admin_token(file());
  ASSERT_TRUE(made);
  EXPECT_EQ(made->reveal().size(), 64U);
  EXPECT_EQ(made->reveal().find_first_not_of("0123456789abcdef"), std::string::npos);
  const FaultOr<config::Secret> loaded = load_or_make_admin_token(file());
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->reveal(), made->reveal());
  std::ofstream(file()) << "two words of more than thirty-two characters";
  EXPECT_FALSE(load_or_make_admin_token(file()));
}

}  // namespace
}  // namespace tollgate::storage
