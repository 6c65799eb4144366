#include "identity/identities.h"

#include <algorithm>
#include <span>

#include "controls/authentication/token_cache.h"

namespace tollgate::identity {

using authentication::Digest;

namespace {

// How often it is looked whether an issuer's keys are to be fetched.
constexpr Duration kTendEvery = std::chrono::milliseconds(100);

Digest digest_of_text(const std::string& text) { return authentication::digest_of(text); }

}  // namespace

Identities::Identities() : web_(loop_) {}

Identities::~Identities() { stop(); }

template <class Source, class Make>
Source* Identities::find_or_make(std::vector<Known<Source>>& all, const Digest& what,
                                 const std::string& name, const Make& make) {
  for (Known<Source>& each : all) {
    if (each.what != what) continue;
    return each.source.get();
  }
  all.push_back({what, name, true, make()});
  return all.back().source.get();
}

Sources Identities::sources_of(const config::Config& config) {
  const authentication::Policy& policy = config.authentication;
  Sources made;
  made.stamp = policy.stamp;
  const std::lock_guard lock(mutex_);
  for (const authentication::JwtPolicy& each : policy.jwt) {
    const auto make = [&] {
      return std::make_unique<Issuer>(each, IssuerServices{web_, loop_, loop_, changes_});
    };
    made.issuers.push_back(find_or_make(issuers_, digest_of(each), each.name, make));
  }
  for (const authentication::IntrospectionPolicy& each : policy.introspection) {
    const auto make = [&] { return std::make_unique<Inquiry>(web_, loop_); };
    made.introspection.push_back(find_or_make(introspection_, digest_of(each), each.name, make));
  }
  for (const authentication::SessionPolicy& each : policy.sessions) {
    if (!each.in_store()) {
      made.sessions.push_back(nullptr);
      continue;
    }
    const auto make = [&] { return std::make_unique<SessionStore>(each.redis_url); };
    made.sessions.push_back(
        find_or_make(sessions_, digest_of_text(each.redis_url.reveal()), each.cookie.name, make));
  }
  return made;
}

void Identities::start(const config::Config& first) {
  (void)sources_of(first);
  thread_ = std::thread([this] { loop_.run(); });
  loop_.post([this] { tollgate::start(tend()); });
}

void Identities::replace(const config::Config& next) {
  const Sources kept = sources_of(next);
  for (Issuer* issuer : kept.issuers) {
    if (issuer->policy().keys == authentication::KeyOrigin::kFile) issuer->read_file();
  }
  retire(kept);
}

void Identities::retire(const Sources& kept) {
  const std::lock_guard lock(mutex_);
  for (Known<Issuer>& each : issuers_) {
    each.in_force = std::ranges::find(kept.issuers, each.source.get()) != kept.issuers.end();
  }
  for (Known<Inquiry>& each : introspection_) {
    const auto& all = kept.introspection;
    each.in_force = std::ranges::find(all, each.source.get()) != all.end();
  }
  for (Known<SessionStore>& each : sessions_) {
    each.in_force = std::ranges::find(kept.sessions, each.source.get()) != kept.sessions.end();
  }
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
      for (const Known<Inquiry>& each : introspection_) {
        at_work = at_work || each.source->at_work();
      }
    }
    if (stopping_ && !at_work) break;
    if (!stopping_) {
      for (Issuer* issuer : issuers) issuer->tend();
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
    add("jwt." + each.name, counts.fetched, counts.failed);
  }
  for (const Known<Inquiry>& each : introspection_) {
    if (each.in_force) {
      add("introspection." + each.name, each.source->answered(), each.source->failed());
    }
  }
  for (const Known<SessionStore>& each : sessions_) {
    if (each.in_force) add("sessions." + each.name, each.source->answered(), each.source->failed());
  }
  return made;
}

std::vector<Identities::Keys> Identities::keys() const {
  std::vector<Keys> made;
  const std::lock_guard lock(mutex_);
  for (const Known<Issuer>& each : issuers_) {
    if (!each.in_force) continue;
    const Issuer::Counts counts = each.source->counts();
    Keys one{each.name, static_cast<double>(counts.keys), std::nullopt};
    if (counts.age) one.age_seconds = std::chrono::duration<double>(*counts.age).count();
    made.push_back(std::move(one));
  }
  return made;
}

}  // namespace tollgate::identity
