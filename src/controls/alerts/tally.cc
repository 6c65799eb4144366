#include "controls/alerts/tally.h"

#include <array>
#include <functional>
#include <utility>

namespace tollgate::alerts {

namespace {

std::size_t hash_of(const Who& who) {
  std::size_t hash = 0;
  for (const std::string_view text :
       {who.tenant, who.user, who.key_id, who.verifier, who.route, who.model}) {
    hash = (hash ^ std::hash<std::string_view>{}(text)) * 0x9e3779b97f4a7c15U;
  }
  return hash;
}

struct HashWho {
  std::size_t operator()(const Who& who) const { return hash_of(who); }
};

}  // namespace

bool subject_of(limits::Scope scope, const Who& who, std::string& out) {
  out.clear();
  switch (scope) {
    case limits::Scope::kGlobal:
      return true;
    case limits::Scope::kTenantId:
      out = who.tenant;
      break;
    case limits::Scope::kUserId: {
      if (who.tenant.empty()) return false;
      const bool marked = who.user.starts_with("key:") || who.user.starts_with("user:");
      out.append(who.tenant).append(who.user.empty() ? "/key:" : marked ? "/user:" : "/");
      out.append(who.user.empty() ? who.key_id : who.user);
      break;
    }
    case limits::Scope::kKeyId:
      if (who.key_id.empty()) return false;
      if (!who.verifier.empty()) out.append(who.tenant).append("/");
      out.append(who.key_id);
      break;
    case limits::Scope::kRoute:
      out = who.route;
      break;
    case limits::Scope::kModel:
      out = who.model;
      break;
    case limits::Scope::kClientIp:
      return false;
  }
  return !out.empty();
}

struct Tally::Callers {
  struct Entry {
    std::unique_ptr<char[]> texts;  // Of the key.
    Deed deed;
    bool used = false;
  };
  using Map = std::unordered_map<Who, Entry, HashWho>;

  Deed& of(const Who& who) {
    const auto found = entries.find(who);
    if (found != entries.end()) return use(*found);
    if (entries.size() >= kCallersMax && !(who == Who{.tenant = who.tenant})) {
      return of(Who{.tenant = who.tenant});
    }
    return use(*entries.emplace(own(who), Entry{std::move(texts), {}, false}).first);
  }

  Deed& use(Map::value_type& entry) {
    if (!entry.second.used) used.push_back(&entry);
    entry.second.used = true;
    return entry.second.deed;
  }

  Who own(const Who& who) {
    Who made = who;
    const std::array<std::string_view*, 6> all = {&made.tenant,   &made.user,  &made.key_id,
                                                  &made.verifier, &made.route, &made.model};
    std::size_t bytes = 0;
    for (const std::string_view* text : all) bytes += text->size();
    texts = std::make_unique_for_overwrite<char[]>(bytes);
    char* at = texts.get();
    for (std::string_view* text : all) {
      text->copy(at, text->size());
      *text = {at, text->size()};
      at += text->size();
    }
    return made;
  }

  Map entries;
  std::vector<Map::value_type*> used;
  std::unique_ptr<char[]> texts;  // Of own(), for the entry that is made of it.
};

Tally::Tally() : callers_(std::make_unique<Callers>()) {}
Tally::~Tally() = default;

void Tally::spent(const Who& who, Money cost) {
  Deed& deed = callers_->of(who);
  deed.spent = add_saturated(deed.spent, cost);
  const double usd = static_cast<double>(cost.micro_usd) / 1e6;
  deed.squares += usd * usd;
}

void Tally::refused(const Who& who) {
  Deed& deed = callers_->of(who);
  ++deed.refused;
}

void Tally::attempted(std::string_view upstream, bool served, std::int64_t calls) {
  name_ = upstream;
  if (upstreams_.size() >= kNamesMax && !upstreams_.contains(name_)) return;
  Attempts& attempts = upstreams_[name_];
  (served ? attempts.served : attempts.failed) += calls;
}

void Tally::counted(std::string_view model, Tokens ours, Tokens provider) {
  name_ = model;
  if (models_.size() >= kNamesMax && !models_.contains(name_)) return;
  Counted& of = models_[name_];
  of.ours += ours;
  of.provider += provider;
}

void Tally::drain(Reader& reader) {
  for (Callers::Map::value_type* entry : callers_->used) {
    reader.caller(entry->first, entry->second.deed);
    entry->second.deed = {};
    entry->second.used = false;
  }
  callers_->used.clear();
  if (callers_->entries.size() >= kCallersMax) callers_->entries.clear();
  for (auto& [name, attempts] : upstreams_) {
    if (attempts.served + attempts.failed > 0) reader.upstream(name, attempts);
    attempts = {};
  }
  for (auto& [name, of] : models_) {
    if (of.ours > 0 || of.provider > 0) reader.model(name, of);
    of = {};
  }
  if (authentication_failures_ > 0) reader.authentication_failures(authentication_failures_);
  authentication_failures_ = 0;
}

void swap(Tally& a, Tally& b) noexcept {
  std::swap(a.callers_, b.callers_);
  std::swap(a.upstreams_, b.upstreams_);
  std::swap(a.models_, b.models_);
  std::swap(a.authentication_failures_, b.authentication_failures_);
}

}  // namespace tollgate::alerts
