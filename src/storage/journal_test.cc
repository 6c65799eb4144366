#include "storage/journal.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <random>
#include <set>

#include "storage/journal_replay.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

constexpr JournalId kId = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

std::string read_all(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}
void write_all(const std::string& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

void poke(const std::string& file, std::size_t at, char byte) {
  std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(byte);
}

class AJournal : public StorageTest {
 protected:
  AJournal() {
    dir_ = (directory_ / "journal").string();
    std::filesystem::create_directory(dir_);
    options_.segment_bytes = 4096;
  }

  std::unique_ptr<Journal> begin(std::uint64_t number = 1) {
    auto begun = Journal::begin(dir_, kId, number, options_);
    EXPECT_TRUE(begun) << begun.error().message;
    return begun ? *std::move(begun) : nullptr;
  }
  static FaultOr<void> append(Journal& journal, const std::string& text) {
    Item item;
    item.id = "req_1";
    item.written = text;
    return journal.append(item);
  }
  // The texts of what a reader finds.
  FaultOr<std::vector<std::string>> read(JournalPosition written = JournalPosition::start_of(1),
                                         JournalEnd end = JournalEnd::kKilled) {
    auto contents = read_journal(dir_, kId, written, end);
    if (!contents) return std::unexpected(contents.error());
    unreadable_ = contents->unreadable;
    std::vector<std::string> texts;
    for (const JournalItem& each : contents->items) {
      std::string_view packed = each.packed;
      const std::optional<Item> item = unpack(packed);
      EXPECT_TRUE(item && packed.empty());
      texts.emplace_back(item ? item->written : "");
    }
    return texts;
  }
  static std::vector<std::string> taken_from(Journal& journal) {
    std::vector<std::string_view> stretches;
    std::vector<std::string> texts;
    journal.take(stretches);
    for (const std::string_view stretch : stretches) {
      EntryCursor entries(stretch);
      for (std::string_view packed; entries.next(packed);) {
        texts.emplace_back(unpack(packed).value_or(Item{}).written);
      }
    }
    return texts;
  }
  std::string first_file() { return segment_files(dir_).value().front(); }
  void expect_refused(std::string_view says, JournalPosition written = JournalPosition::start_of(1),
                      JournalEnd end = JournalEnd::kKilled) {
    const auto texts = read(written, end);
    ASSERT_FALSE(texts) << says;
    EXPECT_EQ(texts.error().kind, FaultKind::kCorrupt);
    EXPECT_NE(texts.error().message.find(says), std::string::npos) << texts.error().message;
  }

  std::string dir_;
  JournalOptions options_;
  Bytes unreadable_ = 0;
};

TEST_F(AJournal, GivesBackWhatWasAppendedInOrder) {
  const auto journal = begin();
  const std::vector<std::string> texts = {"one", "", std::string(3000, 'x'), std::string(900, 'y'),
                                          "five"};
  for (const std::string& text : texts) ASSERT_TRUE(append(*journal, text));
  EXPECT_EQ(read().value(), texts);
  EXPECT_EQ(taken_from(*journal), texts);
  EXPECT_TRUE(taken_from(*journal).empty());
  EXPECT_TRUE(read(journal->end()).value().empty());
  EXPECT_EQ(unreadable_, 0);
}

TEST_F(AJournal, KeepsItsFilesFromOthers) {
  const auto journal = begin();
  EXPECT_EQ(std::filesystem::status(first_file()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  // On the disk before it is used.
  EXPECT_EQ(std::filesystem::file_size(first_file()), 4096U);
}

// Round and round the same few files: what is read is what was not taken back, and nothing of an
// earlier round.
TEST_F(AJournal, GoesRoundItsRing) {
  std::mt19937_64 random{3};
  const auto journal = begin();
  JournalPosition written = journal->end();
  std::vector<std::string> unwritten;
  std::size_t most = 0;
  for (int step = 0; step < 3000; ++step) {
    SCOPED_TRACE(step);
    unwritten.push_back(std::to_string(step) + std::string(random() % 700, '.'));
    ASSERT_TRUE(append(*journal, unwritten.back()));
    if (random() % 7 == 0) {
      ASSERT_EQ(taken_from(*journal), unwritten);
      written = journal->end();
      unwritten.clear();
      ASSERT_TRUE(journal->tend(written));
    }
    most = std::max(most, journal->segments());
    if (random() % 11 != 0) continue;
    ASSERT_EQ(read(written).value(), unwritten);
    ASSERT_EQ(unreadable_, 0);
  }
  EXPECT_GT(journal->end().number(), 100U);
  EXPECT_LT(most, 12U);
  ASSERT_TRUE(journal->tend(journal->end()));
  EXPECT_EQ(journal->segments(), 2U);
  EXPECT_EQ(segment_files(dir_).value().size(), 2U);
}

TEST_F(AJournal, PassesOverATornTailAtEveryByte) {
  std::size_t from = 0;
  std::size_t to = 0;
  {
    const auto journal = begin();
    ASSERT_TRUE(append(*journal, "first"));
    ASSERT_TRUE(append(*journal, "second"));
    from = journal->end().offset();
    ASSERT_TRUE(append(*journal, "the last of the three"));
    to = journal->end().offset();
  }
  const std::string whole = read_all(first_file());
  const std::vector<std::string> before = {"first", "second"};
  std::size_t item_end = from + kEntryHeaderBytes;  // Behind it lie bytes that only fill up.
  Item item;
  item.id = "req_1";
  item.written = "the last of the three";
  item_end += packed_bytes(item);
  for (std::size_t at = from; at < to; ++at) {
    SCOPED_TRACE(at);
    // Cut off.
    write_all(first_file(), whole.substr(0, at));
    ASSERT_EQ(read().value().size(), at < item_end ? 2U : 3U);
    EXPECT_GT(unreadable_, 0);
    // Never written.
    std::string torn = whole;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(at), torn.end(), '\0');
    write_all(first_file(), torn);
    const std::vector<std::string> left = read().value();
    if (torn != whole) {
      ASSERT_EQ(left, before);
      EXPECT_EQ(unreadable_ > 0, at > from);  // All of it gone looks as if it never was.
    }
    // Something else.
    torn = whole;
    torn[at] = static_cast<char>(torn[at] ^ 0x55);
    write_all(first_file(), torn);
    ASSERT_EQ(read().value().size(), at < item_end ? 2U : 3U);
    EXPECT_EQ(unreadable_ > 0, at < item_end);
  }
}

TEST_F(AJournal, RecognisesEveryDamagedByte) {
  std::vector<std::string> texts;
  {
    const auto journal = begin();
    for (int i = 0; i < 9; ++i) {
      texts.push_back(std::to_string(i) + std::string(450, 'x'));
      ASSERT_TRUE(append(*journal, texts.back()));
    }
    ASSERT_EQ(journal->end().number(), 2U);
  }
  int refused = 0;
  int told = 0;
  int harmless = 0;
  const std::vector<std::string> files = segment_files(dir_).value();
  ASSERT_EQ(files.size(), 2U);
  for (const std::string& file : files) {
    const std::string whole = read_all(file);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int bits : {0x01, 0xff}) {
        poke(file, at, static_cast<char>(whole[at] ^ bits));
        const auto left = read();
        if (!left) {
          ASSERT_EQ(left.error().kind, FaultKind::kCorrupt);
          ++refused;
        } else if (*left == texts) {
          ++harmless;
        } else {
          ASSERT_GT(unreadable_, 0) << file << " " << at;
          ASSERT_EQ(left->size(), texts.size() - 1) << file << " " << at;
          ++told;
        }
      }
      poke(file, at, whole[at]);
    }
  }
  EXPECT_GT(refused, 8000);
  EXPECT_GT(told, 500);
  EXPECT_GT(harmless, 1000);
  EXPECT_EQ(read().value(), texts);
}

TEST_F(AJournal, RefusesDamageInTheMiddleButForALossOfPower) {
  {
    const auto journal = begin();
    for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(append(*journal, text));
  }
  std::string bytes = read_all(first_file());
  bytes[bytes.find("two")] = 'T';
  write_all(first_file(), bytes);
  expect_refused("cannot be read");
  expect_refused("accept-loss");
  const std::vector<std::string> left = {"one", "three"};
  EXPECT_EQ(read(JournalPosition::start_of(1), JournalEnd::kPowerLoss).value(), left);
  EXPECT_GT(unreadable_, 0);
}

TEST_F(AJournal, RefusesWhatDoesNotFitTheDatabase) {
  {
    const auto journal = begin(5);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(append(*journal, std::string(450, 'x')));
    ASSERT_GT(journal->end().number(), 7U);
  }
  EXPECT_EQ(read(JournalPosition::start_of(5)).value().size(), 30U);
  expect_refused("are missing", JournalPosition::start_of(3));
  expect_refused("of an earlier time", JournalPosition::start_of(90));
  expect_refused("more of this segment", JournalPosition::at(5, 4097));
  const std::vector<std::string> files = segment_files(dir_).value();
  {
    const std::string whole = read_all(files[1]);
    std::filesystem::remove(files[1]);
    expect_refused("the segment behind it is missing", JournalPosition::start_of(5));
    write_all(dir_ + "/77.segment", whole);
    write_all(files[1], whole);
    expect_refused("another file has the same segment", JournalPosition::start_of(5));
    std::filesystem::remove(dir_ + "/77.segment");
  }
  const auto other =
      read_journal(dir_, JournalId{9}, JournalPosition::start_of(5), JournalEnd::kPowerLoss);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("belongs to another database"), std::string::npos);
}

TEST_F(AJournal, RefusesFilesThatAreNoSegmentsOrOfAnotherVersion) {
  write_all(dir_ + "/1.segment", "#!/bin/sh\n");
  expect_refused("this is no segment");
  write_all(dir_ + "/1.segment", "");
  EXPECT_TRUE(read().value().empty());  // A process was killed while it made this one.
  std::filesystem::remove(dir_ + "/1.segment");
  {
    ASSERT_TRUE(append(*begin(), "one"));
  }
  std::string bytes = read_all(first_file());
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  write_all(first_file(), bytes);
  expect_refused("the header of this segment is damaged");
  alignas(8) std::array<char, 4096> newer{};
  start_segment(newer.data(), {kId, 1, newer.size(), kJournalFormat + 1});
  write_all(first_file(), {newer.data(), newer.size()});
  expect_refused("another version", JournalPosition::start_of(1), JournalEnd::kPowerLoss);
}

TEST_F(AJournal, TellsAFullDiskAndGoesOnWhenThereIsRoom) {
  const auto journal = begin();
  ASSERT_TRUE(journal->tend(journal->end()));
  journal->disk_is(Journal::Disk::kFull);
  int appended = 0;
  FaultOr<void> last;
  while ((last = append(*journal, std::string(900, 'x')))) ++appended;
  EXPECT_EQ(appended, 8);  // The segment at work and the spare one.
  EXPECT_EQ(last.error().kind, FaultKind::kRefusedByPeer);
  EXPECT_NE(last.error().message.find("no room"), std::string::npos);
  EXPECT_TRUE(journal->is_short());
  EXPECT_EQ(taken_from(*journal).size(), 8U);
  // What is in the database as a whole gives room without the disk.
  ASSERT_TRUE(journal->tend(journal->end()));
  EXPECT_FALSE(journal->is_short());
  while (append(*journal, std::string(900, 'x'))) continue;
  EXPECT_FALSE(journal->tend(JournalPosition::start_of(2)));
  EXPECT_TRUE(journal->is_short());
  journal->disk_is(Journal::Disk::kFree);
  ASSERT_TRUE(journal->tend(JournalPosition::start_of(2)));
  EXPECT_FALSE(journal->is_short());
  EXPECT_TRUE(append(*journal, "x"));
}

// The limit of a file's size stands for a disk without room: the blocks are asked for before the
// memory is touched.
TEST_F(AJournal, IsNotBegunWhereTheBlocksCannotBeHad) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{2048, 2048};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    const auto begun = Journal::begin(dir_, kId, 1, options_);
    _exit(!begun && begun.error().message.find("no room") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(segment_files(dir_).value().empty());
}

TEST_F(AJournal, RefusesAnItemLongerThanASegmentAndNoOther) {
  const auto journal = begin();
  EXPECT_FALSE(append(*journal, std::string(5000, 'x')));
  EXPECT_FALSE(journal->is_short());
  EXPECT_TRUE(append(*journal, "short"));
  Item longest;
  const std::size_t room = journal->item_bytes_max() - packed_bytes(longest);
  const std::string text(room, 'x');
  longest.written = text;
  EXPECT_TRUE(journal->append(longest));
  EXPECT_EQ(read().value().size(), 2U);
}

}  // namespace
}  // namespace tollgate::storage
