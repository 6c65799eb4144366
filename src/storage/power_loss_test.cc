// What the books say after a loss of power, of which any part of the journal's last moments may
// not have reached the disk.
#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "storage/journal_open.h"
#include "storage/journal_replay.h"
#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

class PowerLoss : public StorageTest {
 protected:
  FaultOr<std::unique_ptr<StoredTrail>> open(const std::string& place, std::string boot) {
    DatabaseOptions durability;
    durability.durability = Durability::kProcess;
    FaultOr<std::unique_ptr<Database>> database =
        Database::open(place + "/tollgate.db", durability);
    EXPECT_TRUE(database) << database.error().message;
    JournalOptions options;
    options.segment_bytes = 64 << 10;
    options.boot = std::move(boot);
    return StoredTrail::open(std::move(*database), policy_, clock_, options);
  }

  // Loses the entries for which `loses` says so of what is in the journal alone. Those that stay.
  template <class Loses>
  std::vector<std::string> lose(const std::string& place, const Loses& loses) {
    std::vector<std::string> kept;
    const std::string journal = journal_directory(place + "/tollgate.db");
    const std::vector<std::string> files = segment_files(journal).value();
    for (const std::string& file : files) {
      std::string bytes = read(file);
      SegmentHeader header;
      if (read_segment_header(bytes, header) != SegmentKind::kWhole) continue;
      const EntrySeal seal(header.id);
      std::string after = bytes;
      JournalPosition at = JournalPosition::start_of(header.number);
      while (true) {
        const EntryReading entry = read_entry(seal, bytes, at);
        if (entry.found != EntryReading::Found::kEntry) break;
        std::string_view packed = entry.item;
        if (loses(*unpack(packed))) {
          after[static_cast<std::size_t>(entry.item.data() - bytes.data())] ^= 1;
        } else {
          kept.emplace_back(entry.item);
        }
        at = JournalPosition::at(header.number, entry.next);
      }
      std::ofstream(file, std::ios::binary) << after;
    }
    return kept;
  }

  static std::string read(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
};

// What a request must be booked at by what is left of it: what it cost, if its booking or its
// outcome says so; what it held, if only its decision is there.
Money booked_by(const std::vector<std::string>& entries) {
  std::map<std::string, Money> held;
  std::map<std::string, Money> cost;
  for (const std::string& entry : entries) {
    std::string_view packed = entry;
    const Item item = *unpack(packed);
    const bool decision = item.kind == ItemKind::kRecord && item.phase == audit::Phase::kDecision;
    (decision ? held : cost)[std::string(item.id)] = item.amount;
  }
  Money sum;
  for (const auto& [id, amount] : cost) sum.micro_usd += amount.micro_usd;
  for (const auto& [id, amount] : held) {
    if (!cost.contains(id)) sum.micro_usd += amount.micro_usd;
  }
  return sum;
}

TEST_F(PowerLoss, OfABookingAloneIsMadeUpForByItsOutcome) {
  const std::string place = directory_.string() + "/a";
  std::filesystem::create_directory(place);
  auto trail = open(place, "first");
  ASSERT_TRUE(trail) << trail.error().message;
  Request request(5);
  ASSERT_TRUE(request.decide(**trail));
  ASSERT_TRUE((*trail)->flush());
  ASSERT_TRUE(request.end(**trail));
  const std::string after = directory_.string() + "/b";
  std::filesystem::copy(place, after, std::filesystem::copy_options::recursive);
  lose(after, [](const Item& item) { return item.kind == ItemKind::kBooking; });
  testing::internal::CaptureStderr();
  for (int start = 0; start < 2; ++start) {
    const auto next = open(after, "second");
    ASSERT_TRUE(next) << next.error().message;
    const Totals totals = totals_of((*next)->database());
    EXPECT_EQ(totals.booked, Money{5});
    EXPECT_EQ(totals.requests_booked, 1);
    EXPECT_EQ(totals.cut, 0);
  }
  testing::internal::GetCapturedStderr();
}

// Any part of what was not committed is gone: the rest is booked, each request once.
TEST_F(PowerLoss, BooksWhatIsLeftOfEachRequestOnceForAnyLoss) {
  std::mt19937_64 random{11};
  testing::internal::CaptureStderr();
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const std::string place = directory_.string() + "/" + std::to_string(round);
    std::filesystem::create_directory(place);
    auto trail = open(place, "first");
    ASSERT_TRUE(trail) << trail.error().message;
    for (int n = 1; n <= 12; ++n) {
      Request request(n);
      ASSERT_TRUE(request.decide(**trail));
      if (random() % 4 != 0) {
        ASSERT_TRUE(request.end(**trail));
      }
    }
    const std::string after = place + "-after";
    std::filesystem::copy(place, after, std::filesystem::copy_options::recursive);
    const std::uint64_t share = 2 + random() % 4;
    const std::vector<std::string> kept =
        lose(after, [&](const Item&) { return random() % share == 0; });
    const auto next = open(after, "second");
    ASSERT_TRUE(next) << next.error().message;
    EXPECT_EQ((*next)->replayed(), static_cast<std::int64_t>(kept.size()));
    EXPECT_TRUE((*next)->may_lack());
    EXPECT_EQ(totals_of((*next)->database()).booked, booked_by(kept));
    const FaultOr<Proof> proof = verify_audit((*next)->database());
    ASSERT_TRUE(proof);
    EXPECT_FALSE(proof->broken) << proof->why;
  }
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace tollgate::storage
