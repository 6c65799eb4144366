#include "storage/trail_item.h"

#include <array>
#include <cstring>

#include "base/check.h"

namespace tollgate::storage {
namespace {

constexpr std::size_t kTexts = 8;

struct Fixed {
  std::int64_t time_us;
  std::int64_t amount;
  std::int64_t input;
  std::int64_t cached_input;
  std::int64_t output;
  std::array<std::uint32_t, kTexts> lengths;
  ItemKind kind;
  audit::Phase phase;
  audit::Outcome outcome;
};

std::array<std::string_view, kTexts> texts_of(const Item& item) {
  return {item.id,    item.tenant, item.user,     item.key_id,
          item.route, item.model,  item.accounts, item.written};
}

}  // namespace

std::size_t packed_bytes(const Item& item) {
  std::size_t bytes = sizeof(Fixed);
  for (const std::string_view text : texts_of(item)) bytes += text.size();
  return bytes;
}

void pack(const Item& item, std::string& out) {
  const std::size_t start = out.size();
  const std::size_t size = start + packed_bytes(item);
  // Filling the room with zeroes first would take as long as the copy. The second argument is
  // not `size` where libstdc++ 12 makes more room than was asked for.
  out.resize_and_overwrite(size, [&](char* bytes, std::size_t) {
    pack(item, bytes + start);
    return size;
  });
}

void pack(const Item& item, char* out) {
  Fixed fixed;
  std::memset(&fixed, 0, sizeof fixed);  // The gaps between members as well: they are kept.
  fixed.time_us = item.time_us;
  fixed.amount = item.amount.micro_usd;
  fixed.input = item.input;
  fixed.cached_input = item.cached_input;
  fixed.output = item.output;
  fixed.kind = item.kind;
  fixed.phase = item.phase;
  fixed.outcome = item.outcome;
  const std::array<std::string_view, kTexts> texts = texts_of(item);
  for (std::size_t i = 0; i < kTexts; ++i) {
    CHECK(texts[i].size() <= UINT32_MAX);
    fixed.lengths[i] = static_cast<std::uint32_t>(texts[i].size());
  }
  std::memcpy(out, &fixed, sizeof fixed);
  out += sizeof fixed;
  for (const std::string_view text : texts) {
    if (text.empty()) continue;
    std::memcpy(out, text.data(), text.size());
    out += text.size();
  }
}

std::optional<Item> unpack(std::string_view& packed) {
  Fixed fixed;
  if (packed.size() < sizeof fixed) return std::nullopt;
  std::memcpy(&fixed, packed.data(), sizeof fixed);
  std::uint64_t texts_bytes = 0;
  for (const std::uint32_t length : fixed.lengths) texts_bytes += length;
  if (texts_bytes > packed.size() - sizeof fixed || fixed.kind > ItemKind::kBooking ||
      fixed.phase > audit::Phase::kOutcome || fixed.outcome > audit::Outcome::kCut) {
    return std::nullopt;
  }
  packed.remove_prefix(sizeof fixed);
  Item item;
  item.kind = fixed.kind;
  item.phase = fixed.phase;
  item.outcome = fixed.outcome;
  item.time_us = fixed.time_us;
  item.amount.micro_usd = fixed.amount;
  item.input = fixed.input;
  item.cached_input = fixed.cached_input;
  item.output = fixed.output;
  std::size_t i = 0;
  for (std::string_view* text : {&item.id, &item.tenant, &item.user, &item.key_id, &item.route,
                                 &item.model, &item.accounts, &item.written}) {
    *text = packed.substr(0, fixed.lengths[i]);
    packed.remove_prefix(fixed.lengths[i++]);
  }
  return item;
}

}  // namespace tollgate::storage
