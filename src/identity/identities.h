// Who knows callers: the issuers of their tokens, the servers that are asked about them, the
// stores of their sessions; and the loop on which they are asked.
//
// One for a process; each worker has a Desk (desk.h) that asks here. What a configuration names is
// made when it is first seen and found again by what it is, so that a reload that changes nothing
// of an issuer keeps its keys. What no configuration in force names any more is asked nothing more.
//
// sources_of() is for any thread; all else for the one that starts and ends the gateway.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "identity/inquiry.h"
#include "identity/issuer.h"
#include "identity/session_store.h"
#include "identity/web.h"

namespace tollgate::identity {

// Whom one configuration names, each in the order of its entries there. Whoever is still asked in
// the name of a configuration that is over lives as long as that is so, and no longer.
struct Sources {
  authentication::Digest stamp{};
  std::vector<std::shared_ptr<Issuer>> issuers;
  // Of each issuer; null where no server is asked of its tokens.
  std::vector<std::shared_ptr<Inquiry>> reviews;
  std::vector<std::shared_ptr<Inquiry>> introspection;
  // Null where the cookie is the session itself.
  std::vector<std::shared_ptr<SessionStore>> sessions;
};

class Identities {
 public:
  Identities();
  ~Identities();  // After stop().
  Identities(const Identities&) = delete;

  void start(const config::Config& first);
  // Files of keys are read anew; keys of new issuers are fetched.
  void replace(const config::Config& next);
  // Everybody who still waits is answered.
  void stop();

  Sources sources_of(const config::Config& config);
  // Grows when keys of any issuer change.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }
  const pipeline::Clock& clock() const { return loop_; }

  struct Count {
    std::string source;  // "jwt.corporate"
    std::string outcome;
    double value = 0;
  };
  std::vector<Count> counts() const;
  struct Keys {
    std::string issuer;
    double count = 0;
    std::optional<double> age_seconds;
  };
  std::vector<Keys> keys() const;

 private:
  template <class Source>
  struct Known {
    authentication::Digest what{};
    std::string name;
    bool in_force = false;  // A configuration in force names it.
    std::shared_ptr<Source> source;
    std::string told;  // Why it failed, as the operator knows; empty: it did not.
    Instant told_at{};
  };

  template <class Source, class Make>
  std::shared_ptr<Source> find_or_make(std::vector<Known<Source>>& all,
                                       const authentication::Digest& what, const std::string& name,
                                       const Make& make);
  void put_in_force(const Sources& kept);
  void drop_unused();
  Task<void> tend();
  template <class Source>
  void tell(std::vector<Known<Source>>& all);  // With the lock.

  net::Loop loop_;
  NetWeb web_;
  std::atomic<std::uint64_t> changes_ = 0;
  mutable std::mutex mutex_;
  std::vector<Known<Issuer>> issuers_;
  std::vector<Known<Inquiry>> reviews_;
  std::vector<Known<Inquiry>> introspection_;
  std::vector<Known<SessionStore>> sessions_;
  bool stopping_ = false;  // Of the loop.
  std::thread thread_;
};

}  // namespace tollgate::identity
