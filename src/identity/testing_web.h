// What tests of this room share: a web and a clock by hand, and waits that are driven step by step.
#pragma once

#include <coroutine>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/hand_executor.h"
#include "identity/web.h"
#include "pipeline/testing.h"

namespace tollgate::identity::testing {

// Answers what was asked when the test says so.
class HandWeb final : public Web {
 public:
  Task<FaultOr<WebAnswer>> ask(const WebRequest& request) override {
    asked.push_back(request.url);
    bodies.push_back(request.body);
    Held held(*this);
    co_await held;
    co_return answer_of(request);
  }

  // Answers everything that is asked now.
  bool answer() {
    const std::vector<std::coroutine_handle<>> now = std::exchange(held_, {});
    for (const std::coroutine_handle<> each : now) each.resume();
    return !now.empty();
  }
  std::size_t held() const { return held_.size(); }
  std::size_t asked_at(std::string_view url) const {
    return static_cast<std::size_t>(std::count(asked.begin(), asked.end(), url));
  }

  std::map<std::string, std::string> pages;  // What is not there is out of reach.
  std::map<std::string, int> statuses;       // Of pages with another one than 200.
  std::string cache_control;                 // Of all of them.
  std::vector<std::string> asked;
  std::vector<std::string> bodies;

 private:
  struct Held {
    explicit Held(HandWeb& web) : web(web) {}
    HandWeb& web;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiter) { web.held_.push_back(awaiter); }
    void await_resume() const noexcept {}
  };

  FaultOr<WebAnswer> answer_of(const WebRequest& request) const {
    const auto found = pages.find(request.url);
    if (found == pages.end()) return fault(FaultKind::kUnreachable, "nobody answers");
    const auto other = statuses.find(request.url);
    const int status = other == statuses.end() ? 200 : other->second;
    if (status != 200 && !(status == 400 && request.reads_refusals)) {
      return fault(FaultKind::kRefusedByPeer, "answers with another status");
    }
    return WebAnswer{status, found->second, cache_control};
  }

  std::vector<std::coroutine_handle<>> held_;
};

// Starts `task` and holds what it makes.
template <class T>
class Running {
 public:
  explicit Running(Task<T> task) : made_(std::make_shared<std::optional<T>>()) {
    start(collect(std::move(task), made_));
  }
  bool done() const { return made_->has_value(); }
  const T& value() const { return **made_; }

 private:
  static Task<void> collect(Task<T> task, std::shared_ptr<std::optional<T>> made) {
    made->emplace(co_await std::move(task));
  }
  std::shared_ptr<std::optional<T>> made_;
};

}  // namespace tollgate::identity::testing
