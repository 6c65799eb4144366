// Who verifies the tokens of people, while what is in force changes and while nobody answers.
#include "admin/oidc_desk.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

// Takes connections and never says anything.
class SilentServer {
 public:
  SilentServer() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    CHECK(::listen(socket_, 16) == 0);
    CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    port_ = ntohs(at.sin_port);
  }
  ~SilentServer() { ::close(socket_); }
  std::string url() const { return fmt::format("http://127.0.0.1:{}/keys", port_); }

 private:
  int socket_;
  int port_ = 0;
};

class OidcDeskTest : public ApiTest {
 protected:
  using Running = identity::testing::Running<Expected<OidcDesk::Verified>>;

  // What is in force once its keys are at a server that never answers.
  std::shared_ptr<config::Config> silent(const SilentServer& server) const {
    auto config = configuration();
    administration::Policy& policy = config->admin.policy;
    authentication::JwtPolicy& bearer = policy.oidc.front().bearer;
    bearer.name = policy.oidc.front().login.name = "";
    bearer.keys = authentication::KeyOrigin::kUrl;
    bearer.keys_at = server.url();
    policy.verifiers.clear();
    administration::derive(policy);
    return config;
  }
  Running verify(const std::string& token) {
    return Running(oidc_->verify(token, arena_, loop_, clock_));
  }

  Arena arena_;
};

TEST_F(OidcDeskTest, EndsWhileItsIssuerIsSilent) {
  const SilentServer server;
  current_->swap(silent(server));
  oidc_->start();
  const std::string token = issued(R"("groups":["staff"])");
  const Running waits = verify(token);
  EXPECT_FALSE(waits.done());
  oidc_->begin_closing();
  // Would it wait for the issuer here, it would do so for the four seconds of a question.
  const Instant before = oidc_->identities().clock().now();
  oidc_->stop();
  EXPECT_LT(oidc_->identities().clock().now() - before, std::chrono::seconds(2));
  while (!waits.done() && loop_.run()) {
  }
  ASSERT_TRUE(waits.done());
  ASSERT_FALSE(waits.value());
  EXPECT_EQ(waits.value().error().reason, Reason::kStoreUnavailable);
  // Nobody answers whoever would begin to wait now.
  const Running late = verify(token);
  ASSERT_TRUE(late.done());
  EXPECT_EQ(late.value().error().reason, Reason::kStoreUnavailable);
}

// Who verifies and what is granted are of one snapshot: from the swap on, with nothing in between.
TEST_F(OidcDeskTest, IsOfTheConfigurationThatIsInForce) {
  const auto status = [&](const std::string& token) {
    return ask("GET", "/admin/v1/budgets", {}, bearer(token))->status;
  };
  const std::string old_audience = issued(R"("groups":["staff"])");
  const std::string new_audience = issued(R"("groups":["staff"])", "the-next");
  EXPECT_EQ(status(old_audience), 200);
  EXPECT_EQ(status(new_audience), 401);
  auto next = configuration();
  administration::Policy& policy = next->admin.policy;
  policy.oidc.front().bearer.name = policy.oidc.front().login.name = "corporate";
  policy.oidc.front().bearer.audiences = {"the-next"};
  policy.oidc.front().name = "corporate";
  policy.verifiers.clear();
  administration::derive(policy);
  current_->swap(next);
  EXPECT_EQ(status(old_audience), 401);
  EXPECT_EQ(status(new_audience), 200);
}

}  // namespace
}  // namespace tollgate::admin
