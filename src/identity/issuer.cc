#include "identity/issuer.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "controls/authentication/discovery.h"

namespace tollgate::identity {

using authentication::KeyOrigin;
using authentication::KeySet;

Issuer::Issuer(const authentication::JwtPolicy& policy, IssuerServices services)
    : policy_(policy), services_(services) {
  if (policy_.keys == KeyOrigin::kFile) read_file();
}

std::shared_ptr<const KeySet> Issuer::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

bool Issuer::fetching() const {
  const std::lock_guard lock(mutex_);
  return fetching_;
}

bool Issuer::fetches() const {
  return policy_.keys == KeyOrigin::kDiscovery || policy_.keys == KeyOrigin::kUrl;
}

Duration Issuer::cooldown() const { return keys_ == nullptr ? kFirstCooldown : kCooldown; }

bool Issuer::may_fetch(Instant now) const {
  return fetches() && !fetching_ && (!tried_ || now >= *tried_ + cooldown());
}

Duration Issuer::until_next() const {
  const Instant now = services_.clock.now();
  const std::lock_guard lock(mutex_);
  // Of a file it cannot be known when it is read anew.
  if (!tried_ || !fetches()) return cooldown();
  return std::max(*tried_ + cooldown() - now, Duration(std::chrono::seconds(1)));
}

Answered Issuer::look_for(Waiter<Found>& waiter) {
  const Instant now = services_.clock.now();
  const std::lock_guard lock(mutex_);
  if (!fetches()) return waiter.answer_now(Found::kUnknown);
  if (fetching_) {
    if (waiting_.size() >= kWaitersMax) return waiter.answer_now(Found::kUndecided);
    waiting_.push_back(&waiter);
    return Answered::kLater;
  }
  if (!may_fetch(now)) {
    const bool good = failure_.empty() && keys_ != nullptr;
    return waiter.answer_now(good ? Found::kUnknown : Found::kUndecided);
  }
  fetching_ = true;
  tried_ = now;
  waiting_.push_back(&waiter);
  services_.loop.post([this] { start(fetch()); });
  return Answered::kLater;
}

void Issuer::tend() {
  const Instant now = services_.clock.now();
  {
    const std::lock_guard lock(mutex_);
    if (keys_ != nullptr && good_ && now >= *good_ + kStaleMax) {
      keys_ = nullptr;
      services_.changes.fetch_add(1, std::memory_order_release);
    }
    const bool fresh = failure_.empty() && good_ && now < *good_ + fresh_for_;
    if (fresh || !may_fetch(now)) return;
    fetching_ = true;
    tried_ = now;
  }
  start(fetch());
}

Task<void> Issuer::fetch() { finish(co_await load()); }

WebRequest Issuer::request(std::string url, Bytes bytes_max) const {
  WebRequest made;
  made.asked = "authentication.jwt." + policy_.name;
  made.url = std::move(url);
  made.certificate_authority = policy_.certificate_authority;
  made.timeout = kTimeout;
  made.bytes_max = bytes_max;
  return made;
}

Task<FaultOr<Issuer::Loaded>> Issuer::load() {
  std::string url = policy_.keys_at;
  if (policy_.keys == KeyOrigin::kDiscovery) {
    const WebRequest discovery =
        request(authentication::discovery_url(policy_.issuer), authentication::kDiscoveryBytesMax);
    const FaultOr<WebAnswer> metadata = co_await services_.web.ask(discovery);
    if (!metadata) co_return std::unexpected(metadata.error());
    const auto found = authentication::read_discovery(metadata->body, policy_.issuer);
    if (!found) co_return fault(FaultKind::kBroken, found.error());
    url = *found;
  }
  const WebRequest keys = request(std::move(url), KeySet::kDocumentBytesMax);
  const FaultOr<WebAnswer> document = co_await services_.web.ask(keys);
  if (!document) co_return std::unexpected(document.error());
  FaultOr<KeySet> made = read(document->body);
  if (!made) co_return std::unexpected(std::move(made.error()));
  Loaded loaded;
  loaded.keys = std::move(*made);
  const std::optional<Duration> told = authentication::kept_for(document->cache_control);
  if (told) loaded.fresh_for = std::clamp(*told, kRefreshMin, kRefreshMax);
  co_return loaded;
}

FaultOr<KeySet> Issuer::read(std::string_view document) const {
  authentication::KeyRules rules;
  rules.algorithms = policy_.algorithms;
  auto made = authentication::read_key_set(document, rules);
  if (!made) return fault(FaultKind::kBroken, made.error());
  if (made->keys.empty()) return fault(FaultKind::kBroken, "No key of the set can be used.");
  return std::move(*made);
}

void Issuer::read_file() {
  std::ifstream in(policy_.keys_at, std::ios::binary);
  std::string text(KeySet::kDocumentBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  FaultOr<KeySet> made = read(text);
  const std::lock_guard lock(mutex_);
  failure_ = made ? std::string() : made.error().message;
  made ? ++fetched_ : ++failed_;
  if (!made || (keys_ != nullptr && keys_->digest == made->digest)) return;
  keys_ = std::make_shared<const KeySet>(std::move(*made));
  services_.changes.fetch_add(1, std::memory_order_release);
}

void Issuer::finish(FaultOr<Loaded> loaded) {
  const Instant now = services_.clock.now();
  const Found found = loaded ? Found::kFetched : Found::kUndecided;
  std::vector<Waiter<Found>*> waiting;
  {
    const std::lock_guard lock(mutex_);
    fetching_ = false;
    failure_ = loaded ? std::string() : loaded.error().message;
    loaded ? ++fetched_ : ++failed_;
    waiting.swap(waiting_);
    if (loaded) {
      good_ = now;
      fresh_for_ = loaded->fresh_for;
      if (keys_ == nullptr || keys_->digest != loaded->keys.digest) {
        keys_ = std::make_shared<const KeySet>(std::move(loaded->keys));
        services_.changes.fetch_add(1, std::memory_order_release);
      }
    }
  }
  for (Waiter<Found>* const waiter : waiting) waiter->answer_later(found);
}

Issuer::Counts Issuer::counts() const {
  const std::lock_guard lock(mutex_);
  Counts made;
  made.fetched = fetched_;
  made.failed = failed_;
  made.keys = keys_ == nullptr ? 0 : keys_->keys.size();
  if (good_) made.age = services_.clock.now() - *good_;
  return made;
}

std::string Issuer::last_failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace tollgate::identity
