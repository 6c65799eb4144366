// Two tenants with people, requests and money of their own, and for each endpoint a question that
// is good in every way. For the tests of this room.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "admin/testing_api.h"

namespace tollgate::admin {

class TenantsTest : public ApiTest {
 protected:
  std::unique_ptr<Caller> ask_as(std::string_view name, std::string method, std::string path,
                                 std::string body = {}) {
    return ask(std::move(method), "/admin/v1/" + path, std::move(body), bearer(token_of(name)));
  }

  // Ids of what is there; where an endpoint wants one.
  struct Ids {
    std::string key;
    std::string token;
  };
  static std::string path_of(const EndpointRow& row, const Ids& ids) {
    std::string path(row.path);
    if (const std::size_t star = path.find('*'); star != std::string::npos) {
      path.replace(star, 1,
                   path.starts_with("keys")     ? ids.key
                   : path.starts_with("tokens") ? ids.token
                                                : "none");
    }
    return path;
  }
  // A body that is good for whoever may ask, about a tenant; each import is of a new key.
  std::string body_of(Endpoint endpoint, std::string_view tenant) {
    switch (endpoint) {
      case Endpoint::kCreateKey:
        return fmt::format(R"({{"tenant":"{}"}})", tenant);
      case Endpoint::kImportKeys:
        return fmt::format(R"({{"digest":"sha256:{:064x}","tenant":"{}"}})", ++imported_, tenant);
      case Endpoint::kRotateKey:
        return R"({"overlap":"1h"})";
      case Endpoint::kExpireKey:
        return R"({"expires":"1d"})";
      case Endpoint::kCreateToken:
        return fmt::format(R"({{"name":"x","role":"viewer","tenants":["{}"]}})", tenant);
      case Endpoint::kRevokeToken:
        return R"({"with_made":false})";
      default:
        return {};  // A question that needs no more than its path.
    }
  }

  std::string make_key(std::string_view tenant) {
    const auto made = ask("POST", "/admin/v1/keys", body_of(Endpoint::kCreateKey, tenant));
    EXPECT_EQ(made->status, 201) << made->text;
    return field(*made, "id");
  }
  std::string make_token(std::string_view tenant) {
    const auto made = ask("POST", "/admin/v1/tokens", body_of(Endpoint::kCreateToken, tenant));
    EXPECT_EQ(made->status, 201) << made->text;
    return field(*made, "id");
  }

  // A request of somebody, on record and in the books.
  struct Request {
    std::string id;
    std::string tenant;
    std::string user = {};
    std::string key = {};
    std::string route = {};
    std::string model = "small";
  };
  void request(const Request& of) {
    authentication::Identity actor;
    actor.tenant = of.tenant;
    actor.subject = of.user;
    audit::Record record;
    record.id = of.id;
    record.time = clock_.wall();
    record.actor = &actor;
    record.route = of.route;
    std::string written;
    audit::write(record, audit::Phase::kDecision, written);
    ASSERT_TRUE(store_->trail().append(record, audit::Phase::kDecision, Money{}, written));
    pipeline::Booking booking;
    booking.id = record.id;
    booking.tenant = of.tenant;
    booking.user = of.user;
    booking.key_id = of.key;
    booking.route = of.route;
    booking.model = of.model;
    store_->trail().booked(booking, {9, 4, Money{49}}, {}, clock_.wall());
    written.clear();
    audit::write(record, audit::Phase::kOutcome, written);
    ASSERT_TRUE(store_->trail().append(record, audit::Phase::kOutcome, Money{}, written));
  }

  // Has an account of this budget for the subject.
  void spend(const cost::Policy& money, std::string_view subject) {
    Arena arena;
    const pipeline::BudgetCharge charge{&money, subject, {Money{400}}};
    const pipeline::Charges charges{{}, {&charge, 1}};
    using Held = Expected<pipeline::Hold, pipeline::Shortfall>;
    std::optional<Held> held;
    start(hold_later(charges, arena, held));
    // It waits for the store's own thread.
    while (!held) loop_.run();
    ASSERT_TRUE(held->has_value());
    store_->ledger().settle(**held, charges, {}, {}, clock_.now(), clock_.wall());
  }

 private:
  Task<void> hold_later(const pipeline::Charges& charges, Arena& arena,
                        std::optional<Expected<pipeline::Hold, pipeline::Shortfall>>& held) {
    held = co_await store_->ledger().hold(charges, arena, loop_, clock_.now(), clock_.wall());
  }

  int imported_ = 0;
};

}  // namespace tollgate::admin
