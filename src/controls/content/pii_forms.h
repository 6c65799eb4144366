// How the kinds of personal data are written, as one table that is walked character by character.
// Internal to content.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tollgate::content {

// The kinds that are read in their own way, by their place in pii_kinds().
enum OwnForm : std::uint16_t {
  kEmail,
  kPhoneNumber,
  kIban,
  kPassportMrz,
  kBitcoinAddress,
  kEthereumAddress,
  kVehicleNumber,
  kIdentityCard,
  kOwnForms,
};
// The first of the others, which may stand beside other numbers.
inline constexpr std::uint16_t kPaymentCard = kOwnForms;

// The longest form that is written in groups, in characters.
inline constexpr std::size_t kWrittenMax = 32;

// All forms, as a tree of what follows what. Immutable.
class PiiForms {
 public:
  struct Use {
    std::uint16_t kind = 0;
    bool needs_word = false;
  };

  PiiForms();
  static const PiiForms& get();

  // From 0, the root; 0: no form goes on so.
  std::uint16_t next(std::uint16_t node, char c) const {
    return nodes_[node].next[kClasses[static_cast<unsigned char>(c)]];
  }
  // The kinds that may end there.
  std::span<const Use> uses(std::uint16_t node) const { return nodes_[node].uses; }

 private:
  enum Class : std::uint8_t {
    kOther,
    kDigit,
    kUpper,
    kSpace,
    kDash,
    kDot,
    kSlash,
    kOpen,
    kClose,
    kPlus
  };
  static constexpr std::size_t kClassCount = kPlus + 1;
  static constexpr std::array<std::uint8_t, 256> kClasses = [] {
    std::array<std::uint8_t, 256> classes{};
    for (int c = '0'; c <= '9'; ++c) classes[static_cast<std::size_t>(c)] = kDigit;
    for (int c = 'A'; c <= 'Z'; ++c) classes[static_cast<std::size_t>(c)] = kUpper;
    classes[' '] = kSpace;
    classes['-'] = kDash;
    classes['.'] = kDot;
    classes['/'] = kSlash;
    classes['('] = kOpen;
    classes[')'] = kClose;
    classes['+'] = kPlus;
    return classes;
  }();
  struct Node {
    std::array<std::uint16_t, kClassCount> next{};
    std::vector<Use> uses;
  };
  void add(std::uint16_t node, std::string_view form, Use use);
  std::uint16_t child(std::uint16_t node, std::uint8_t kind);

  std::vector<Node> nodes_;
};

}  // namespace tollgate::content
