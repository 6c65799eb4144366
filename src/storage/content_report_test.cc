// What the report of the content policy counts, on each kind of store.
#include "storage/content_report.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/storage_fixture.h"

namespace tollgate::storage {
namespace {

using audit::ContentFinding;

class Report : public StorageTest, public testing::WithParamInterface<Backend> {
 protected:
  Report() : trail_(open_trail()) {}

  // One more request, a microsecond after the last.
  Request& next(std::string_view subject = "ada") {
    requests_.push_back(std::make_unique<Request>(static_cast<std::int64_t>(requests_.size()) + 1));
    Request& made = *requests_.back();
    made.actor.tenant = "acme";
    made.actor.subject = subject;
    made.record.time = kMorning + std::chrono::seconds(made.n);
    return made;
  }

  static void refuse(Request& request, std::string_view rule = "routes.chat.content") {
    request.record.outcome = audit::Outcome::kRefused;
    request.record.code = "content_refused";
    request.record.rule = rule;
  }

  void keep(Request& request) {
    ASSERT_TRUE(request.decide(*trail_));
    ASSERT_TRUE(request.end(*trail_));
  }

  // With an answer.
  void answer(Request& request, std::span<const ContentFinding> found = {}) {
    ASSERT_TRUE(request.decide(*trail_));
    request.record.content_after = found;
    request.record.attempts = kAttempt;
    ASSERT_TRUE(request.end(*trail_));
  }

  ContentReport report(const AuditQuery& query = {}) {
    EXPECT_TRUE(trail_->flush());
    const auto database = connect();
    FaultOr<ContentReport> made = report_content(*database, query);
    EXPECT_TRUE(made) << made.error().message;
    return made.value_or(ContentReport{});
  }

  static constexpr std::array<audit::Attempt, 1> kAttempt{{{.upstream = "mock", .status = 200}}};
  std::unique_ptr<StoredTrail> trail_;
  std::vector<std::unique_ptr<Request>> requests_;
};

std::string counts_of(const ContentRow& row) {
  return fmt::format("{} {}: {} {} {} {}, {} callers", name_of(row.of),
                     row.rule.empty() ? row.pack : row.rule, row.counts.refused,
                     row.counts.redacted, row.counts.flagged, row.counts.observed, row.actors);
}

std::vector<std::string> lines_of(const ContentRoute& route) {
  std::vector<std::string> lines;
  for (const ContentRow& row : route.rows) lines.push_back(counts_of(row));
  return lines;
}

using Lines = std::vector<std::string>;

TEST_P(Report, CountsRequestsByTheMostThatWasDone) {
  // Twice the same rule in one request, and two rules of a pack: it is one request.
  const ContentFinding refused[] = {
      {"secrets.aws_access_key", "messages[0].content:0+20", "refuse"},
      {"secrets.aws_access_key", "messages[1].content:0+20", "refuse"},
      {"secrets.github_token", "messages[1].content:30+40", "observe"},
      {"pii.email", "messages[0].content:50+9", "flag"}};
  Request& first = next();
  first.record.content = refused;
  refuse(first);
  keep(first);

  const ContentFinding observed[] = {
      {"secrets.github_token", "messages[0].content:0+40", "observe"},
      {"pii.email", "messages[0].content:50+9", "redact"}};
  const std::string_view rules[] = {"limits.tenant_id.requests_per_minute", "routes.chat.content"};
  for (const char* subject : {"bob", "bob", "eve"}) {
    Request& request = next(subject);
    request.record.content = observed;
    request.record.observed = rules;
    answer(request);
  }
  answer(next());

  const ContentReport made = report();
  ASSERT_EQ(made.routes.size(), 1U);
  EXPECT_TRUE(made.is_whole);
  const ContentRoute& chat = made.routes[0];
  EXPECT_EQ(chat.route, "chat");
  EXPECT_EQ(chat.requests.all, 5);
  EXPECT_EQ(chat.requests.refused, 1);
  EXPECT_EQ(chat.requests.would_be_refused, 3);
  EXPECT_EQ(chat.answers.all, 4);
  EXPECT_EQ(chat.answers.refused, 0);
  EXPECT_EQ(lines_of(chat),
            (Lines{"request pii: 0 3 1 0, 3 callers", "request pii.email: 0 3 1 0, 3 callers",
                   "request secrets: 1 0 0 3, 3 callers",
                   "request secrets.aws_access_key: 1 0 0 0, 1 callers",
                   "request secrets.github_token: 0 0 0 4, 3 callers"}));
  const ContentRow& token = chat.rows.back();
  EXPECT_EQ(token.first, requests_[0]->record.time);
  EXPECT_EQ(token.last, requests_[3]->record.time);
  EXPECT_EQ(token.examples, (Lines{requests_[3]->id, requests_[2]->id, requests_[1]->id}));
}

TEST_P(Report, TellsAnswersApartAndGuardsThatWereAskedAboutRequests) {
  const ContentFinding found[] = {{"guards.mine.violence", "request", "flag"},
                                  {"secrets.age_key", "choices[0].message.content:1+2", "observe"}};
  answer(next(), found);
  const ContentFinding cut[] = {{"links.image", "choices[0].message.content:1+2", "refuse"}};
  Request& second = next();
  ASSERT_TRUE(second.decide(*trail_));
  second.record.content_after = cut;
  second.record.attempts = kAttempt;
  second.record.outcome = audit::Outcome::kCut;
  second.record.code = "content_refused";
  ASSERT_TRUE(second.end(*trail_));

  const ContentReport made = report();
  ASSERT_EQ(made.routes.size(), 1U);
  EXPECT_EQ(
      lines_of(made.routes[0]),
      (Lines{"request guards: 0 0 1 0, 1 callers",
             "request guards.mine.violence: 0 0 1 0, 1 callers", "answer links: 1 0 0 0, 1 callers",
             "answer links.image: 1 0 0 0, 1 callers", "answer secrets: 0 0 0 1, 1 callers",
             "answer secrets.age_key: 0 0 0 1, 1 callers"}));
  EXPECT_EQ(made.routes[0].answers.all, 2);
  EXPECT_EQ(made.routes[0].answers.refused, 1);
  EXPECT_EQ(made.routes[0].answers.would_be_refused, 1);
}

// What is refused for no rule, and the outcome of a request that never left, are not the same.
TEST_P(Report, TellsWhatCouldNotBeInspected) {
  Request& deep = next();
  refuse(deep);
  keep(deep);
  const std::string_view rules[] = {"routes.chat.content"};
  Request& observed = next();
  observed.record.observed = rules;
  answer(observed);
  Request& other = next();
  refuse(other, "guards.mine");
  keep(other);
  const ContentReport made = report();
  ASSERT_EQ(made.routes.size(), 1U);
  EXPECT_EQ(lines_of(made.routes[0]), Lines{"request not_inspected: 1 0 0 1, 1 callers"});
  EXPECT_EQ(made.routes[0].requests.all, 3);
  EXPECT_EQ(made.routes[0].answers.all, 1);
}

TEST_P(Report, IsOfWhatWasAskedFor) {
  const ContentFinding found[] = {{"pii.email", "messages[0].content:50+9", "flag"}};
  for (const char* route : {"chat", "chat", "mail"}) {
    Request& request = next();
    request.record.route = route;
    request.record.content = found;
    answer(request);
  }
  EXPECT_EQ(report().routes.size(), 2U);
  AuditQuery mail;
  mail.route = "mail";
  const ContentReport of_mail = report(mail);
  ASSERT_EQ(of_mail.routes.size(), 1U);
  EXPECT_EQ(of_mail.routes[0].requests.all, 1);
  AuditQuery late;
  late.since = requests_[1]->record.time;
  late.route = "chat";
  EXPECT_EQ(report(late).routes[0].requests.all, 1);
  AuditQuery nobody;
  nobody.tenant = "globex";
  EXPECT_TRUE(report(nobody).routes.empty());
}

TEST_P(Report, HasABound) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kContentRowsMax + kContentActorsMax; ++i) {
    names.push_back(fmt::format("guards.mine.category_{}", i));
  }
  for (std::size_t i = 0; i < names.size(); i += 16) {
    std::vector<ContentFinding> found;
    for (std::size_t j = i; j < std::min(i + 16, names.size()); ++j) {
      found.push_back({names[j], "request", "flag"});
    }
    answer(next(names[i]), found);
  }
  const ContentReport made = report();
  EXPECT_FALSE(made.is_whole);
  ASSERT_EQ(made.routes.size(), 1U);
  EXPECT_EQ(made.routes[0].rows.size(), kContentRowsMax - 1) << "one is the route's";
  EXPECT_EQ(made.routes[0].requests.all, static_cast<std::int64_t>(requests_.size()));
}

TEST_P(Report, CountsCallersToABound) {
  const ContentFinding found[] = {{"pii.email", "messages[0].content:50+9", "flag"}};
  for (std::size_t i = 0; i < kContentActorsMax; ++i) {
    const std::string subject = std::to_string(i);
    Request& request = next(subject);
    request.record.content = found;
    keep(request);
  }
  const ContentReport full = report();
  EXPECT_EQ(full.routes.at(0).rows.at(0).actors, static_cast<std::int64_t>(kContentActorsMax));
  EXPECT_FALSE(full.routes[0].rows[0].has_more_actors);
  Request& last = next("one more");
  last.record.content = found;
  keep(last);
  EXPECT_TRUE(report().routes.at(0).rows.at(0).has_more_actors);
}

INSTANTIATE_TEST_SUITE_P(Stores, Report, testing::ValuesIn(each_store()), store_name);

}  // namespace
}  // namespace tollgate::storage
