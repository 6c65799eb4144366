#include "pipeline/client_deadline.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace tollgate::pipeline {

namespace {

constexpr double kLongest = 7.0 * 24 * 3600;  // Seconds; whoever waits for longer has no deadline.
constexpr std::size_t kDigitsMax = 16;
constexpr std::size_t kGrpcDigitsMax = 8;

// Seconds to a duration; nothing where it is none, or too long to be one.
std::optional<Duration> waits(double seconds) {
  if (!(seconds > 0) || seconds > kLongest) return std::nullopt;
  return std::max<Duration>(std::chrono::milliseconds(1),
                            Duration(static_cast<std::int64_t>(seconds * 1e6)));
}

std::optional<double> number_in(std::string_view text) {
  double number = 0;
  const bool fits = !text.empty() && text.size() <= kDigitsMax;
  if (!fits) return std::nullopt;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Duration> read(std::string_view text, double seconds_each) {
  const std::optional<double> number = number_in(text);
  return number ? waits(*number * seconds_each) : std::nullopt;
}

std::optional<Duration> read_grpc(std::string_view text) {
  struct Unit {
    char name;
    double seconds;
  };
  constexpr std::array<Unit, 6> kUnits = {
      {{'H', 3600}, {'M', 60}, {'S', 1}, {'m', 1e-3}, {'u', 1e-6}, {'n', 1e-9}}};
  if (text.size() < 2 || text.size() > kGrpcDigitsMax + 1) return std::nullopt;
  const auto unit = std::ranges::find(kUnits, text.back(), &Unit::name);
  const std::string_view digits = text.substr(0, text.size() - 1);
  const bool are_digits = std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (unit == kUnits.end() || !are_digits) return std::nullopt;
  return read(digits, unit->seconds);
}

}  // namespace

std::optional<Duration> time_allowed_by(const RequestHead& head) {
  const std::array<std::optional<Duration>, 4> all = {
      read(head.header("x-stainless-timeout"), 1),
      read(head.header("x-stainless-read-timeout"), 1),
      read(head.header("x-envoy-expected-rq-timeout-ms"), 1e-3),
      read_grpc(head.header("grpc-timeout")),
  };
  std::optional<Duration> shortest;
  for (const std::optional<Duration>& one : all) {
    if (one && (!shortest || *one < *shortest)) shortest = one;
  }
  return shortest;
}

}  // namespace tollgate::pipeline
