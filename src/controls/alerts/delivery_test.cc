// What targets are sent, when it is tried again, and what is in force.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <string>

#include "controls/alerts/in_force.h"
#include "controls/alerts/message.h"
#include "controls/alerts/outbox.h"

namespace tollgate::alerts {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kNow{seconds(1'674'087'231)};

Alert alert_of(std::string subject = "acme") {
  Alert alert;
  alert.rule = "alerts[0]";
  alert.when = Condition::kSpendVelocity;
  alert.scope = limits::Scope::kTenantId;
  alert.subject = std::move(subject);
  alert.tenant = "acme";
  alert.message = "tenant_id `acme` spent 9.00 USD.";
  alert.at = kNow;
  return alert;
}

// By Python's hmac, and the example of the library of standardwebhooks.com.
TEST(Message, IsSignedAsStandardWebhooksAre) {
  EXPECT_EQ(signature_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                         1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  Target target;
  target.kind = TargetKind::kWebhook;
  target.url = Secret("https://hooks.example.com/a");
  target.secret = Secret("a secret of its own");
  const Message message = message_to(target, "msg_1", alert_of(), {Action::kFreeze, kNow}, kNow);
  EXPECT_EQ(message.headers,
            "webhook-id: msg_1\r\nwebhook-timestamp: 1674087231\r\nwebhook-signature: " +
                signature_of("a secret of its own", "msg_1", 1'674'087'231, message.body) + "\r\n");
  EXPECT_EQ(message.body,
            R"({"type":"alert.spend_velocity","timestamp":"2023-01-19T00:13:51Z","data":)"
            R"({"rule":"alerts[0]","scope":"tenant_id","subject":"acme","tenant":"acme",)"
            R"("message":"tenant_id `acme` spent 9.00 USD.","done":"freeze",)"
            R"("until":"2023-01-19T00:13:51Z"}})");
}

TEST(Message, SlackAndAlertmanagerGetTheirForms) {
  Target slack;
  slack.kind = TargetKind::kSlack;
  slack.url = Secret("https://hooks.slack.com/services/T/B/X");
  Alert alert = alert_of();
  alert.message = "<!channel> & <https://evil|here>";
  EXPECT_EQ(message_to(slack, "msg_1", alert, {}, kNow).body,
            R"({"text":"tollgate spend_velocity (alerts[0]): &lt;!channel&gt; &amp; )"
            R"(&lt;https://evil|here&gt;"})");
  Target manager;
  manager.kind = TargetKind::kAlertmanager;
  manager.url = Secret("http://alertmanager:9093/");
  const Message sent = message_to(manager, "msg_1", alert_of(), {}, kNow);
  EXPECT_EQ(sent.url, "http://alertmanager:9093/api/v2/alerts");
  EXPECT_EQ(sent.body,
            R"([{"labels":{"alertname":"tollgate_spend_velocity","rule":"alerts[0]",)"
            R"("tenant_id":"acme"},"annotations":{"summary":"tenant_id `acme` spent 9.00 USD."},)"
            R"("startsAt":"2023-01-19T00:13:51Z"}])");
}

std::string from_base64(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c != '\r' && c != '\n') plain += c;
  }
  std::string made(plain.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(made.data()),
                  reinterpret_cast<const unsigned char*>(plain.data()),
                  static_cast<int>(plain.size()));
  while (made.ends_with('\0')) made.pop_back();
  return made;
}

// Whatever a caller is called: its head has our own words alone, and each of its lines ends.
TEST(Message, OfAMailHasNoLineThatACallerWrote) {
  Email email;
  email.from = "tollgate@example.com";
  email.to = {"ops@example.com", "cfo@example.com"};
  Alert alert = alert_of();
  alert.subject = "x\r\nBcc: all@example.com\r\n\r\n.\r\nMAIL FROM:<y>";
  alert.message = "tenant_id `" + alert.subject + "` spent 9.00 USD.";
  const std::string text = mail_of(email, "msg_1", alert, {Action::kFreeze, kNow}, kNow);
  const std::size_t end = text.find("\r\n\r\n");
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(text.substr(0, end),
            "Date: Thu, 19 Jan 2023 00:13:51 +0000\r\nFrom: <tollgate@example.com>\r\n"
            "To: <ops@example.com>,\r\n <cfo@example.com>\r\nMessage-ID: <msg_1@example.com>\r\n"
            "Subject: tollgate: spend_velocity (alerts[0])\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
            "Auto-Submitted: auto-generated");
  const std::string body = text.substr(end + 4);
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t line = body.find("\r\n", at);
    ASSERT_NE(line, std::string::npos);
    EXPECT_LE(line - at, 76U);
    at = line + 2;
  }
  const std::string told = from_base64(body);
  EXPECT_NE(told.find("Done: freeze, until 2023-01-19T00:13:51Z."), std::string::npos) << told;
  EXPECT_NE(told.find("\r\nsubject: \"x\\r\\nBcc: all@example.com"), std::string::npos) << told;
  EXPECT_EQ(told.find("\nBcc"), std::string::npos) << told;
  EXPECT_EQ(told.find("\nMAIL"), std::string::npos) << told;
}

TEST(Outbox, TriesLaterAndLaterOneAtATimeForEachTarget) {
  Outbox outbox;
  Letter first;
  first.id = "1";
  first.target = "ops";
  Letter second = first;
  second.id = "2";
  Letter other = first;
  other.id = "3";
  other.target = "slack";
  EXPECT_FALSE(outbox.put(first));
  EXPECT_FALSE(outbox.put(second));
  EXPECT_FALSE(outbox.put(other));
  Instant now{seconds(100)};
  std::optional<Letter> sent = outbox.next(now);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->id, "1");
  const std::optional<Letter> beside = outbox.next(now);
  ASSERT_TRUE(beside);
  EXPECT_EQ(beside->id, "3");
  EXPECT_FALSE(outbox.next(now));  // Each has one on its way.
  std::vector<std::int64_t> waits;
  Letter failing = *sent;
  while (outbox.failed(failing, now) == Outbox::Fate::kAgain) {
    Duration wait{};
    std::optional<Letter> again;
    for (; !again || again->id != "1"; wait += seconds(1)) {
      again = outbox.next(now + wait);
      if (again && again->id == "2") {
        outbox.sent(*again);
        again.reset();
      }
    }
    waits.push_back((wait - seconds(1)).count() / 1'000'000);
    now += wait;
    failing = *again;
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{1, 4, 16, 64, 256, 900, 900}));
  EXPECT_EQ(failing.tries, Outbox::kTriesMax);
  EXPECT_EQ(outbox.waiting(), 0U);
}

TEST(Outbox, IsBoundedAndTheOldestGivesWay) {
  Outbox outbox;
  Letter letter;
  letter.target = "ops";
  for (std::size_t i = 0; i < Outbox::kWaitingMax; ++i) {
    letter.id = std::to_string(i);
    EXPECT_FALSE(outbox.put(letter));
  }
  letter.id = "last";
  const std::optional<Letter> gone = outbox.put(letter);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->id, "0");
  EXPECT_EQ(outbox.waiting(), Outbox::kWaitingMax);
  // One that comes back where as many wait as may is told as thrown away.
  const std::optional<Letter> sent = outbox.next({});
  ASSERT_TRUE(sent);
  outbox.put(letter);
  EXPECT_EQ(outbox.failed(*sent, {}), Outbox::Fate::kThrownAway);
  EXPECT_EQ(outbox.waiting(), Outbox::kWaitingMax);
}

Rule rule_of(Action action) {
  Rule rule;
  rule.rule = "alerts[0]";
  rule.action = action;
  rule.cap_output_tokens = 64;
  rule.downgrade_to = "small";
  return rule;
}

constexpr limits::Scope kScopes[] = {limits::Scope::kGlobal, limits::Scope::kTenantId,
                                     limits::Scope::kUserId, limits::Scope::kKeyId};

TEST(InForce, FreezesTheSubjectOfTheAlertAndNobodyElseUntilItIsOver) {
  const InForce table({*answer_to(rule_of(Action::kFreeze), alert_of())});
  const Expected<void> frozen = table.check({.tenant = "acme", .user = "u"}, kScopes, kNow);
  ASSERT_FALSE(frozen);
  EXPECT_EQ(frozen.error().reason, Reason::kAnomalyRefused);
  EXPECT_EQ(frozen.error().rule, "alerts[0]");
  EXPECT_EQ(frozen.error().message,
            "Frozen: after an alert nothing of this tenant_id is let through until "
            "2023-01-19T01:13:51Z.");
  EXPECT_TRUE(table.check({.tenant = "acm"}, kScopes, kNow));
  EXPECT_TRUE(table.check({.tenant = "other", .user = "acme"}, kScopes, kNow));
  EXPECT_TRUE(table.check({.tenant = "acme"}, kScopes, kNow + hours(1)));
  EXPECT_FALSE(answer_to(rule_of(Action::kNone), alert_of()));
}

TEST(InForce, AUserIsKnownAsLimitsKnowHim) {
  Alert alert = alert_of("acme/ada");
  alert.scope = limits::Scope::kUserId;
  const InForce table({*answer_to(rule_of(Action::kFreeze), alert)});
  EXPECT_FALSE(table.check({.tenant = "acme", .user = "ada"}, kScopes, kNow));
  EXPECT_TRUE(table.check({.tenant = "acme", .user = "bob"}, kScopes, kNow));
  EXPECT_TRUE(table.check({.tenant = "other", .user = "ada"}, kScopes, kNow));
}

TEST(InForce, TheLowestCapHoldsAndASlowSubjectTakesALimit) {
  Rule low = rule_of(Action::kCapOutputTokens);
  low.rule = "alerts[1]";
  low.cap_output_tokens = 8;
  Rule slow = rule_of(Action::kSlowDown);
  slow.rule = "alerts[2]";
  Rule down = rule_of(Action::kDowngradeTo);
  down.rule = "alerts[3]";
  const InForce table({*answer_to(rule_of(Action::kCapOutputTokens), alert_of()),
                       *answer_to(low, alert_of()), *answer_to(slow, alert_of()),
                       *answer_to(down, alert_of())});
  const InForce::Terms terms = table.terms_for({.tenant = "acme"}, kNow);
  ASSERT_NE(terms.cap, nullptr);
  EXPECT_EQ(terms.cap->cap_output_tokens, 8);
  ASSERT_NE(terms.downgrade, nullptr);
  EXPECT_EQ(terms.downgrade->downgrade_to, "small");
  ASSERT_EQ(terms.limits.size(), 1U);
  EXPECT_EQ(terms.limits[0]->limit, kSlowRequestsPerMinute);
  EXPECT_EQ(terms.limits[0]->rule, "alerts[2]");
  EXPECT_EQ(terms.subjects[0], "acme");
  EXPECT_TRUE(table.check({.tenant = "acme"}, kScopes, kNow));
  EXPECT_EQ(table.terms_for({.tenant = "other"}, kNow).cap, nullptr);
}

// The step from what is counted to what is in force, on a clock of its own: within a look.
TEST(InForce, ATenfoldStepIsFrozenWithTheAlert) {
  Rule rule = rule_of(Action::kFreeze);
  rule.when = Condition::kSpendVelocity;
  rule.at_least = Money{1'000'000};
  Watch watch;
  watch.replace({rule});
  Tally tally;
  WallTime now{hours(24 * 20003)};
  const auto spend = [&](int requests) {
    for (int i = 0; i < requests; ++i) tally.spent({.tenant = "acme"}, Money{50'000});
    watch.take(tally, now);
    return watch.judge({}, now);
  };
  for (; now < WallTime{hours(24 * 20003 + 50)}; now += seconds(1)) ASSERT_TRUE(spend(1).empty());
  const WallTime step = now;
  std::vector<Alert> told;
  for (; told.empty() && now < step + minutes(1); now += std::chrono::milliseconds(250)) {
    told = spend(now.time_since_epoch().count() % 1'000'000 == 0 ? 10 : 0);
  }
  ASSERT_EQ(told.size(), 1U);
  EXPECT_LE(told[0].at - step, seconds(10));
  const InForce table({*answer_to(rule, told[0])});
  EXPECT_FALSE(table.check({.tenant = "acme"}, kScopes, told[0].at + seconds(1)));
}

}  // namespace
}  // namespace tollgate::alerts
