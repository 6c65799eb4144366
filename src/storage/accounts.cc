#include "storage/accounts.h"

#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "storage/database.h"

namespace tollgate::storage {
namespace {

struct Fixed {
  std::int64_t window_start_us;
  std::uint32_t rule_bytes;
  std::uint32_t subject_bytes;
};

}  // namespace

std::size_t packed_bytes(const AccountId& account) {
  return sizeof(Fixed) + account.rule.size() + account.subject.size();
}

char* pack(const AccountId& account, char* out) {
  CHECK(account.rule.size() <= UINT32_MAX && account.subject.size() <= UINT32_MAX);
  const Fixed fixed{to_microseconds(account.window_start),
                    static_cast<std::uint32_t>(account.rule.size()),
                    static_cast<std::uint32_t>(account.subject.size())};
  std::memcpy(out, &fixed, sizeof fixed);
  out += sizeof fixed;
  out += account.rule.copy(out, account.rule.size());
  return out + account.subject.copy(out, account.subject.size());
}

std::optional<AccountId> take_account(std::string_view& packed) {
  Fixed fixed;
  if (packed.size() < sizeof fixed) return std::nullopt;
  std::memcpy(&fixed, packed.data(), sizeof fixed);
  const std::uint64_t texts = std::uint64_t{fixed.rule_bytes} + fixed.subject_bytes;
  if (texts > packed.size() - sizeof fixed) return std::nullopt;
  packed.remove_prefix(sizeof fixed);
  AccountId account;
  account.window_start = from_microseconds(fixed.window_start_us);
  account.rule = packed.substr(0, fixed.rule_bytes);
  account.subject = packed.substr(fixed.rule_bytes, fixed.subject_bytes);
  packed.remove_prefix(texts);
  return account;
}

}  // namespace tollgate::storage
