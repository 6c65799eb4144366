#include "net/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

namespace tollgate::net {

namespace {

constexpr Duration kKnownFor = std::chrono::seconds(5);
constexpr Duration kFailedFor = std::chrono::seconds(1);
constexpr std::size_t kNamesKept = 64;

void set_port(Address& address, std::uint16_t port) {
  if (address.storage.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
  }
}

bool in_numbers(const std::string& host, Address& address) {
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    address.length = sizeof v4;
    return true;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    address.length = sizeof v6;
    return true;
  }
  return false;
}

std::vector<Address> ask_system(const std::string& host, std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  std::vector<Address> addresses;
  if (error != 0) {
    why = gai_strerror(error);
    return addresses;
  }
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Address address;
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.length = each->ai_addrlen;
    addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

}  // namespace

struct Resolver::Name {
  std::string host;
  std::vector<Address> addresses;
  std::string why;
  Instant until;
  bool asked = false;
  Link waiting;
};

struct Resolver::Outside {
  std::mutex mutex;
  Resolver* resolver = nullptr;  // Null once it is gone.
};

void Resolver::Lookup::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  join(*waiting_);
}

Resolver::Resolver(Loop::State& loop) : loop_(loop), outside_(std::make_shared<Outside>()) {
  outside_->resolver = this;
}

Resolver::~Resolver() {
  const std::scoped_lock lock(outside_->mutex);
  outside_->resolver = nullptr;
}

Resolver::State Resolver::look(const std::string& host, std::uint16_t port,
                               std::vector<Address>& found, std::string& why, Lookup& lookup) {
  Address numbers;
  if (in_numbers(host, numbers)) {
    set_port(numbers, port);
    found.assign(1, numbers);
    return State::kKnown;
  }
  Name* name = nullptr;
  for (const std::unique_ptr<Name>& each : names_) {
    if (each->host == host) name = each.get();
  }
  if (name == nullptr) {
    if (names_.size() >= kNamesKept) {
      std::erase_if(names_, [](const auto& each) { return !each->asked; });
    }
    name = names_.emplace_back(std::make_unique<Name>()).get();
    name->host = host;
    name->until = Instant::min();
  }
  if (!name->asked && loop_.now() < name->until) {
    found = name->addresses;
    why = name->why;
    for (Address& address : found) set_port(address, port);
    return found.empty() ? State::kFailed : State::kKnown;
  }
  lookup.waiting_ = &name->waiting;
  if (!name->asked) ask(*name);
  return State::kAsked;
}

void Resolver::ask(Name& name) {
  name.asked = true;
  const auto work = [outside = outside_, host = name.host] {
    std::string why;
    std::vector<Address> found = ask_system(host, why);
    const std::scoped_lock lock(outside->mutex);
    if (outside->resolver == nullptr) return;
    outside->resolver->loop_.post([outside, host, found = std::move(found), why]() mutable {
      // The loop and the resolver are of this thread: no lock is needed to see whether it lives.
      if (outside->resolver == nullptr) return;
      outside->resolver->answered(host, std::move(found), why);
    });
  };
  try {
    std::thread(work).detach();
  } catch (const std::system_error& error) {
    loop_.post([outside = outside_, host = name.host, why = std::string(error.what())] {
      if (outside->resolver != nullptr) outside->resolver->answered(host, {}, why);
    });
  }
}

void Resolver::answered(const std::string& host, std::vector<Address> found, std::string why) {
  for (const std::unique_ptr<Name>& name : names_) {
    if (name->host != host) continue;
    name->asked = false;
    name->until = loop_.now() + (found.empty() ? kFailedFor : kKnownFor);
    name->addresses = std::move(found);
    name->why = std::move(why);
    while (name->waiting.linked()) {
      auto& lookup = static_cast<Lookup&>(*name->waiting.next);
      lookup.unlink();
      loop_.enqueue(lookup);
    }
    return;
  }
}

}  // namespace tollgate::net
