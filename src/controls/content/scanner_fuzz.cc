// Any bytes as one or two texts: nothing crashes, every finding lies in its text and names a rule,
// and a key that stands by itself behind them is found.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "controls/content/testing_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate::content;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view first = input.substr(0, input.find('\0'));
  const std::string_view second = first.size() < size ? input.substr(first.size() + 1) : "";
  static Scanner scanner;
  static const std::vector<Action> actions = testing::all_refuse();
  CHECK(scanner.begin(testing::rules(), actions).has_value());
  CHECK(scanner.read(first).has_value());
  CHECK(scanner.read(second).has_value());
  for (const Finding& finding : scanner.found()) {
    const std::string_view text = finding.text == 0 ? first : second;
    CHECK(finding.text < 2 && finding.bytes > 0);
    CHECK(finding.offset < text.size() && finding.bytes <= text.size() - finding.offset);
    CHECK(std::ranges::count(all_rules(), finding.rule, &Rule::name) == 1);
  }
  const std::size_t before = scanner.found().size();
  static const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
  const std::string with_key = std::string(first) + " " + kKey;
  CHECK(scanner.read(with_key).has_value());
  CHECK(scanner.found().size() > before || before == Scanner::kFindingsMax);
  return 0;
}
