// What the door has on record: within its patience, once.
#include "admin/register.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <semaphore>
#include <string_view>
#include <vector>

#include "pipeline/testing_caller.h"
#include "storage/audit_query.h"
#include "storage/group_part.h"

namespace tollgate::admin {
namespace {

// Holds up the trail in its next group, until it is let go.
class HeldUp final : public storage::GroupPart {
 public:
  bool idle() const override { return done_; }
  FaultOr<void> write(storage::Database&) override {
    began_.release();
    go_on_.acquire();
    done_ = true;
    return {};
  }
  void committed() override {}
  void failed(const Fault&) override {}

  void wait_until_it_is() { began_.acquire(); }
  void let_go() { go_on_.release(); }

 private:
  std::binary_semaphore began_{0};
  std::binary_semaphore go_on_{0};
  std::atomic<bool> done_ = false;
};

class RegisterTest : public ::testing::Test {
 protected:
  RegisterTest() {
    config::Store where;
    where.in_memory = true;
    auto opened = storage::Store::open(where, audit::Policy{}, clock_);
    CHECK(opened.has_value());
    store_ = std::move(*opened);
  }
  ~RegisterTest() override { EXPECT_TRUE(store_->stop()); }

  static Entry entry(std::string_view object) {
    Entry made;
    made.author.kind = storage::Author::Kind::kUnknown;
    made.action = "admin.refuse";
    made.object = object;
    return made;
  }
  std::size_t on_record() {
    const auto reading = store_->reader();
    storage::AuditQuery query;
    query.action = "admin.refuse";
    query.phase = audit::Phase::kChange;
    return storage::query_audit(**reading, query, 100)->size();
  }

  pipeline::testing::HandClock clock_;
  HeldUp held_up_;
  std::unique_ptr<storage::Store> store_;
};

TEST_F(RegisterTest, WaitsNoLongerThanItsPatienceAndThenDoesNothing) {
  Register kept(*store_, clock_);
  store_->trail().join(held_up_);
  store_->start();
  store_->trail().write_now();
  held_up_.wait_until_it_is();
  const std::vector<Entry> one = {entry("one")};
  const FaultOr<void> given_up = kept.record(one, 1);
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().kind, FaultKind::kTimeout) << given_up.error().message;
  held_up_.let_go();
  ASSERT_TRUE(store_->trail().flush());
  EXPECT_EQ(on_record(), 0U) << "nor is it done later";
  EXPECT_TRUE(kept.record(one, 1));
  EXPECT_EQ(on_record(), 1U);
}

TEST_F(RegisterTest, HasABatchOnRecordOnceHoweverOftenItIsTried) {
  Register kept(*store_, clock_);
  const std::vector<Entry> two = {entry("one"), entry("two")};
  EXPECT_TRUE(kept.record(two, 1));
  EXPECT_TRUE(kept.record(two, 1)) << "nobody knew whether it was kept";
  EXPECT_EQ(on_record(), 2U);
  EXPECT_TRUE(kept.record(two, 2));
  EXPECT_EQ(on_record(), 4U);
  EXPECT_TRUE(kept.record(two, std::nullopt));
  EXPECT_EQ(on_record(), 6U);
  Register next(*store_, clock_);
  EXPECT_TRUE(next.record(two, 2)) << "another process has numbers of its own";
  EXPECT_EQ(on_record(), 8U);
}

}  // namespace
}  // namespace tollgate::admin
