// Alerts on a loop and a thread of their own: what they ask and write holds up nobody.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "admin/alerting.h"
#include "admin/mail.h"
#include "cli/countdown.h"
#include "identity/web.h"
#include "net/net.h"

namespace tollgate::cli {

class AlertLoop {
 public:
  // All outlive it; `hold` as of Alerting::Parts.
  AlertLoop(const config::Current& config, storage::Store& store, admin::Metrics& metrics,
            std::function<void(std::shared_ptr<const alerts::InForce>)> hold)
      : alerting_({config, store, metrics, web_, mail_, loop_, std::move(hold)}),
        metrics_(metrics) {
    store.trail().when_budget_reached(
        [this](const auto& reached) { alerting_.budget_reached(reached); });
  }

  // Before the first request.
  FaultOr<void> open() {
    metrics_.gauge(alerting_.alerts_gauge());
    metrics_.gauge(alerting_.deliveries_gauge());
    metrics_.gauge(alerting_.answers_gauge());
    metrics_.gauge(alerting_.notes_gauge());
    return alerting_.open();
  }

  void start() {
    thread_ = std::thread([this] { loop_.run(); });
    loop_.post([this] { tollgate::start(run()); });
  }

  // When no request is at work any more, and before the store ends.
  void stop() {
    if (!thread_.joinable()) return;
    loop_.post([this] {
      alerting_.tick();  // What the last requests came to.
      closing_ = true;
      web_.close();
      mail_.close();
    });
    ended_.wait(kCutGrace);
    loop_.stop();
    thread_.join();
    alerting_.keep();
  }

 private:
  Task<void> run() {
    while (!closing_) {
      alerting_.tick();
      co_await loop_.sleep(admin::Alerting::kLookEvery);
    }
    while (!alerting_.close()) co_await loop_.sleep(admin::Alerting::kLookEvery);
    ended_.done();
  }

  net::Loop loop_;
  identity::NetWeb web_{loop_};
  admin::SmtpMail mail_{loop_};
  admin::Alerting alerting_;
  admin::Metrics& metrics_;
  Countdown ended_{1};
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace tollgate::cli
