#include "controls/content/anchors.h"

#include <limits>

#include "base/check.h"
#include "controls/content/pii.h"

namespace tollgate::content {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::span<const Secret> anchored() {
  static const std::vector<Secret> all = [] {
    std::vector<Secret> made(secrets().begin(), secrets().end());
    made.insert(made.end(), pii_by_name().begin(), pii_by_name().end());
    return made;
  }();
  return all;
}

Anchors::Anchors(Case which) {
  const auto in_case = [&](char c) { return which == Case::kAny ? lower(c) : c; };
  const auto is_read = [&](const Secret& secret) {
    return (secret.gap == Gap::kAssigned) == (which == Case::kAny);
  };
  for (const Secret& secret : anchored()) {
    for (const char c : is_read(secret) ? secret.anchor : std::string_view()) {
      std::uint8_t& one = class_of_[static_cast<unsigned char>(in_case(c))];
      if (one == 0) one = static_cast<std::uint8_t>(classes_++);
    }
  }
  for (int c = 0; c < 256; ++c) {
    class_of_[static_cast<std::size_t>(c)] =
        class_of_[static_cast<unsigned char>(in_case(static_cast<char>(c)))];
  }

  // The tree of all beginnings.
  constexpr State kNone = 0;  // Nothing leads back to the start.
  std::vector<std::vector<std::uint16_t>> ended(1);
  std::vector<std::vector<std::uint16_t>> begun(1);
  next_.assign(classes_, kNone);
  depth_.assign(1, 0);
  for (std::size_t i = 0; i < anchored().size(); ++i) {
    if (!is_read(anchored()[i])) continue;
    std::size_t at = 0;
    for (const char c : anchored()[i].anchor) {
      const std::size_t edge = (at * classes_) + class_of_[static_cast<unsigned char>(in_case(c))];
      if (next_[edge] == kNone) {
        CHECK(depth_.size() < std::numeric_limits<State>::max());
        next_[edge] = static_cast<State>(depth_.size());
        depth_.push_back(static_cast<std::uint16_t>(depth_[at] + 1));
        next_.resize(next_.size() + classes_, kNone);
        ended.emplace_back();
        begun.emplace_back();
      }
      at = next_[edge];
      const bool is_all = depth_[at] == anchored()[i].anchor.size();
      (is_all ? ended : begun)[at].push_back(static_cast<std::uint16_t>(i));
    }
  }

  // In the order of their depth: where a beginning goes on with what it has no branch for, its
  // longest end that is a beginning does.
  shorter_.assign(depth_.size(), kStart);
  std::vector<State> queue{kStart};
  for (std::size_t done = 0; done < queue.size(); ++done) {
    const State state = queue[done];
    for (std::size_t c = 0; c < classes_; ++c) {
      State& to = next_[(std::size_t{state} * classes_) + c];
      const State otherwise =
          state == kStart ? kStart : next_[(std::size_t{shorter_[state]} * classes_) + c];
      if (to == kNone) {
        to = otherwise;
        continue;
      }
      shorter_[to] = otherwise;
      ended[to].insert(ended[to].end(), ended[otherwise].begin(), ended[otherwise].end());
      queue.push_back(to);
    }
  }
  ended_ = packed(ended);
  begun_ = packed(begun);
}

Anchors::List Anchors::packed(const std::vector<std::vector<std::uint16_t>>& lists) {
  List made;
  for (const std::vector<std::uint16_t>& list : lists) {
    made.begin.push_back(static_cast<std::uint32_t>(made.secrets.size()));
    made.secrets.insert(made.secrets.end(), list.begin(), list.end());
  }
  made.begin.push_back(static_cast<std::uint32_t>(made.secrets.size()));
  return made;
}

const Anchors& Anchors::exact() {
  static const Anchors made(Case::kExact);
  return made;
}

const Anchors& Anchors::of_any_case() {
  static const Anchors made(Case::kAny);
  return made;
}

}  // namespace tollgate::content
