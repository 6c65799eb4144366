#include "identity/identities.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>

#include "controls/authentication/token_cache.h"

namespace tollgate::identity {

using authentication::Digest;

namespace {

// How often it is looked whether an issuer's keys are to be fetched.
constexpr Duration kTendEvery = std::chrono::milliseconds(100);
// How often it is told, of each, that it fails.
constexpr Duration kTellEvery = std::chrono::seconds(10);

Digest digest_of_text(const std::string& text) { return authentication::digest_of(text); }

}  // namespace

Identities::Identities() : web_(loop_) {}

Identities::~Identities() { stop(); }

// A request that has waited may still be of a configuration that is over: whom that alone names is
// made for it once more, and by that is not in force again.
template <class Source, class Make>
std::shared_ptr<Source> Identities::find_or_make(std::vector<Known<Source>>& all,
                                                 const Digest& what, const std::string& name,
                                                 const Make& make) {
  for (Known<Source>& each : all) {
    if (each.what == what) return each.source;
  }
  all.push_back({what, name, false, make()});
  return all.back().source;
}

Sources Identities::sources_of(const config::Config& config) {
  const authentication::Policy& policy = config.authentication;
  Sources made;
  made.stamp = policy.stamp;
  const std::lock_guard lock(mutex_);
  for (const authentication::JwtPolicy& each : policy.jwt) {
    const auto make = [&] {
      return std::make_shared<Issuer>(each, IssuerServices{web_, loop_, loop_, changes_});
    };
    made.issuers.push_back(find_or_make(issuers_, digest_of_keys(each), "jwt." + each.name, make));
    made.reviews.push_back(nullptr);
    if (!each.review) continue;
    const auto ask = [&] { return std::make_shared<Inquiry>(web_, loop_); };
    made.reviews.back() =
        find_or_make(reviews_, digest_of(each), "jwt." + each.name + ".token_review", ask);
  }
  for (const authentication::IntrospectionPolicy& each : policy.introspection) {
    const auto make = [&] { return std::make_shared<Inquiry>(web_, loop_); };
    const std::string name = "introspection." + each.name;
    made.introspection.push_back(find_or_make(introspection_, digest_of(each), name, make));
  }
  for (const authentication::SessionPolicy& each : policy.sessions) {
    if (!each.in_store()) {
      made.sessions.push_back(nullptr);
      continue;
    }
    const auto make = [&] { return std::make_shared<SessionStore>(each.redis_url); };
    made.sessions.push_back(find_or_make(sessions_, digest_of_text(each.redis_url.reveal()),
                                         "sessions." + each.cookie.name, make));
  }
  return made;
}

void Identities::start(const config::Config& first) {
  put_in_force(sources_of(first));
  thread_ = std::thread([this] { loop_.run(); });
  loop_.post([this] { tollgate::start(tend()); });
}

void Identities::replace(const config::Config& next) {
  const Sources kept = sources_of(next);
  for (const std::shared_ptr<Issuer>& issuer : kept.issuers) {
    if (issuer->policy().keys == authentication::KeyOrigin::kFile) issuer->read_file();
  }
  put_in_force(kept);
}

// Those of `kept` are in force from here on, and nobody else is.
void Identities::put_in_force(const Sources& kept) {
  const std::lock_guard lock(mutex_);
  const auto keep = [](auto& known, const auto& all) {
    for (auto& each : known) {
      each.in_force = std::ranges::find(all, each.source) != all.end();
    }
  };
  keep(issuers_, kept.issuers);
  keep(reviews_, kept.reviews);
  keep(introspection_, kept.introspection);
  keep(sessions_, kept.sessions);
}

// Says on stderr why somebody who knows callers fails, once for each reason and at most once in
// kTellEvery, and when that is over.
template <class Source>
void Identities::tell(std::vector<Known<Source>>& all) {
  const Instant now = loop_.now();
  for (Known<Source>& each : all) {
    if (!each.in_force || (!each.told.empty() && now - each.told_at < kTellEvery)) continue;
    const std::string why = each.source->last_failure();
    if (why == each.told) continue;
    each.told = why;
    each.told_at = now;
    fmt::print(stderr, "tollgate: authentication.{} {}\n", each.name,
               why.empty() ? "answers again" : "fails: " + why);
  }
}

// Whom nobody names or waits for any more. What they own ends outside of the lock, as it may wait
// for a thread of theirs.
void Identities::drop_unused() {
  std::vector<std::shared_ptr<void>> gone;
  const std::unique_lock lock(mutex_);
  const auto drop = [&](auto& known, const auto& at_work) {
    std::erase_if(known, [&](auto& each) {
      if (each.in_force || each.source.use_count() > 1 || at_work(*each.source)) return false;
      gone.push_back(std::move(each.source));
      return true;
    });
  };
  const auto inquires = [](const Inquiry& each) { return each.at_work(); };
  drop(issuers_, [](const Issuer& each) { return each.fetching(); });
  drop(reviews_, inquires);
  drop(introspection_, inquires);
  drop(sessions_, [](const SessionStore&) { return false; });
}

// Fetches what is due until the gateway ends; then until all that waits is answered.
Task<void> Identities::tend() {
  std::vector<Issuer*> issuers;
  while (true) {
    bool at_work = false;
    issuers.clear();
    {
      const std::lock_guard lock(mutex_);
      for (const Known<Issuer>& each : issuers_) {
        at_work = at_work || each.source->fetching();
        if (each.in_force) issuers.push_back(each.source.get());
      }
      for (const auto* all : {&reviews_, &introspection_}) {
        for (const Known<Inquiry>& each : *all) at_work = at_work || each.source->at_work();
      }
      if (!stopping_) {
        tell(issuers_);
        tell(reviews_);
        tell(introspection_);
      }
    }
    if (stopping_ && !at_work) break;
    if (!stopping_) {
      for (Issuer* issuer : issuers) issuer->tend();
      drop_unused();
    }
    co_await loop_.sleep(kTendEvery);
  }
  loop_.stop();
}

void Identities::stop() {
  std::vector<SessionStore*> stores;
  {
    const std::lock_guard lock(mutex_);
    for (const Known<SessionStore>& each : sessions_) stores.push_back(each.source.get());
  }
  for (SessionStore* store : stores) store->stop();
  if (!thread_.joinable()) return;
  loop_.post([this] {
    stopping_ = true;
    web_.close();
  });
  thread_.join();
}

std::vector<Identities::Count> Identities::counts() const {
  std::vector<Count> made;
  const auto add = [&](const std::string& source, std::uint64_t good, std::uint64_t bad) {
    made.push_back({source, "answered", static_cast<double>(good)});
    made.push_back({source, "failed", static_cast<double>(bad)});
  };
  const std::lock_guard lock(mutex_);
  for (const Known<Issuer>& each : issuers_) {
    if (!each.in_force) continue;
    const Issuer::Counts counts = each.source->counts();
    add(each.name, counts.fetched, counts.failed);
  }
  const auto add_all = [&](const auto& known) {
    for (const auto& each : known) {
      if (each.in_force) add(each.name, each.source->answered(), each.source->failed());
    }
  };
  add_all(reviews_);
  add_all(introspection_);
  add_all(sessions_);
  return made;
}

std::vector<Identities::Keys> Identities::keys() const {
  std::vector<Keys> made;
  const std::lock_guard lock(mutex_);
  for (const Known<Issuer>& each : issuers_) {
    const authentication::JwtPolicy& policy = each.source->policy();
    if (!each.in_force || policy.keys == authentication::KeyOrigin::kReview) continue;
    const Issuer::Counts counts = each.source->counts();
    Keys one{policy.name, static_cast<double>(counts.keys), std::nullopt};
    if (counts.age) one.age_seconds = std::chrono::duration<double>(*counts.age).count();
    made.push_back(std::move(one));
  }
  return made;
}

}  // namespace tollgate::identity
