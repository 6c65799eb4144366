// What models cost: their own prices, and the table of them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "config/build.h"
#include "config/price_table.h"
#include "config/shape_prices.h"

namespace tollgate::config {

namespace {

cost::PricesApart build_apart(const View& view) {
  return {.cache_write_5m = view.price("cache_write_5m"),
          .cache_write_1h = view.price("cache_write_1h"),
          .image_input = view.price("image_input"),
          .reasoning_output = view.price("reasoning_output"),
          .audio_output = view.price("audio_output")};
}

// Whether nothing of the step is cheaper than before it.
bool is_dearer(const cost::LongContext& step, const cost::LongContext& before) {
  const auto rises = [](const std::optional<Price>& now, Price otherwise_now,
                        const std::optional<Price>& was, Price otherwise_was) {
    return now.value_or(otherwise_now) >= was.value_or(otherwise_was);
  };
  return step.input >= before.input && step.output >= before.output &&
         rises(step.apart.cache_write_5m, step.input, before.apart.cache_write_5m, before.input) &&
         rises(step.apart.cache_write_1h, step.input, before.apart.cache_write_1h, before.input) &&
         rises(step.apart.image_input, step.input, before.apart.image_input, before.input) &&
         rises(step.apart.reasoning_output, step.output, before.apart.reasoning_output,
               before.output) &&
         rises(step.apart.audio_output, step.output, before.apart.audio_output, before.output);
}

// With more input nothing gets cheaper, and nothing that has a price loses it.
std::vector<cost::LongContext> build_long_context(const View& prices, Report& report) {
  std::vector<cost::LongContext> steps;
  cost::LongContext before{.above = 0,
                           .input = prices.price("input").value_or(Price{}),
                           .cached_input = prices.price("cached_input"),
                           .output = prices.price("output").value_or(Price{}),
                           .apart = build_apart(prices)};
  for (const View& view : prices.each("long_context")) {
    const cost::LongContext step{.above = view.count("above"),
                                 .input = view.price("input").value_or(Price{}),
                                 .cached_input = view.price("cached_input"),
                                 .output = view.price("output").value_or(Price{}),
                                 .apart = build_apart(view)};
    if (step.above <= before.above) {
      tell_in(report, view, "above", "each `above` has to be more than the one before it");
    }
    for (const std::string_view key : {"cache_write_5m", "cache_write_1h"}) {
      if (!prices.has(key) || view.has(key)) continue;
      tell_in(report, view, "above",
              fmt::format("`{}` has a price for shorter inputs: write that of longer ones as well",
                          key));
    }
    if (!is_dearer(step, before)) {
      tell_in(report, view, "input",
              "a longer input is never cheaper: expected prices of at least those before");
    }
    steps.push_back(step);
    before = step;
  }
  return steps;
}

cost::Prices build_tier(const View& view, Report& report) {
  cost::Prices made;
  made.input = view.price("input").value_or(Price{});
  made.cached_input = view.price("cached_input");
  made.output = view.price("output").value_or(Price{});
  made.audio = view.price("audio");
  made.apart = build_apart(view);
  made.long_context = build_long_context(view, report);
  return made;
}

// "2026-01-31", at its midnight in UTC.
std::optional<WallTime> day_of(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t count) {
    int read = -1;
    const char* end = text.data() + at + count;
    const auto [stop, error] = std::from_chars(text.data() + at, end, read);
    return error == std::errc() && stop == end ? read : -1;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int day = number(8, 2);
  if (year < 1970 || month < 1 || day < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date));
}

// In the table in order of its days.
void enter(const View& view, PriceList list, PriceTable& table, Report& report) {
  std::vector<PriceList>& lists = table[view.text("name")];
  const auto place = std::ranges::lower_bound(lists, list.from, {}, &PriceList::from);
  if (place != lists.end() && place->from == list.from) {
    const bool is_dated = view.has("from");
    tell_in(report, view, is_dated ? "from" : "name",
            fmt::format("`{}` has an entry {} already: each begins on a day of its own",
                        view.text("name"),
                        is_dated ? "from " + view.text("from") : std::string("without `from`")));
    return;
  }
  lists.insert(place, std::move(list));
}

constexpr std::size_t kTableBytesMax = std::size_t{16} << 20;

constexpr Field kFileFields[] = {kPriceTable};
constexpr Section kFile{"prices file", "A table of prices.", kFileFields};

}  // namespace

PriceList build_price_list(const View& view, Report& report) {
  PriceList made;
  const View prices = view.section("price_per_million");
  made.prices = build_tier(prices, report);
  for (const View& tier : prices.each("service_tiers")) {
    const std::optional<ServiceTier> named = service_tier_named(tier.name());
    if (!named || *named == ServiceTier::kDefault) continue;  // It was told.
    made.prices.tiers.push_back(build_tier(tier, report));
    made.prices.tiers.back().tier = *named;
    if (made.prices.audio && !made.prices.tiers.back().audio) {
      tell_in(report, tier, "input",
              fmt::format("`audio` is missing: the usual tier has a price for recordings, so `{}` "
                          "needs one",
                          tier.name()));
    }
  }
  made.has_token_prices = view.has("price_per_million");
  made.made = build_made_prices(view, report);
  made.price_version = cost::version_of(made.prices);
  if (made.price_version.size() > audit::kPriceBytesMax / 2) {
    tell_in(report, view, "price_per_million",
            "so many prices are more than a record can name: leave steps or tiers out");
  }
  return made;
}

void build_price_table(const View& owner, PriceTable& table, Report& report) {
  for (const View& view : owner.each("prices")) {
    PriceList made = build_price_list(view, report);
    const std::string from = view.text("from");
    const std::optional<WallTime> day = day_of(from);
    if (!from.empty() && !day) {
      tell_in(report, view, "from",
              fmt::format("expected a day such as `2026-01-31`, found `{}`", from));
      continue;
    }
    made.from = day.value_or(WallTime{});
    if (!view.text("name").empty()) enter(view, std::move(made), table, report);
  }
}

std::string load_price_table(const std::string& path, PriceTable& table,
                             std::vector<Problem>& problems) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kTableBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  Report report{path, problems};
  if (in.bad() || text.empty() || text.size() > kTableBytesMax) {
    problems.push_back({path, 1, 1, "",
                        text.empty() ? "the file cannot be read, or is empty"
                                     : "the file is too long for a price table"});
    return {};
  }
  const std::size_t before = problems.size();
  Node root = parse_tree(text, path, problems);
  if (problems.size() > before) return text;
  check_shape(root, kFile, report);
  build_price_table(View(&root, kFile, ""), table, report);
  return text;
}

void model_prices(const View& view, const PriceTable& table, Model& model, Report& report) {
  if (!view.has("prices")) {
    static_cast<PriceList&>(model) = build_price_list(view, report);
    return;
  }
  for (const std::string_view key :
       {"price_per_million", "price_per_image", "tokens_per_image", "price_per_million_characters",
        "price_per_minute", "price_per_request", "price_per_tool_call",
        "input_tokens_per_tool_call"}) {
    if (view.has(key)) {
      tell_in(report, view, key,
              "expected `prices`, the name of an entry, or prices here; found both");
    }
  }
  model.price_entry = view.text("prices");
  const auto found = table.find(model.price_entry);
  if (found == table.end() || found->second.empty()) {
    std::vector<std::string_view> known;
    for (const auto& [name, lists] : table) known.push_back(name);
    const auto near = nearest(model.price_entry, known);
    tell_in(report, view, "prices",
            fmt::format("there is no entry `{}` in `prices`{}", model.price_entry,
                        near ? fmt::format("; did you mean `{}`?", *near) : ""));
    return;
  }
  static_cast<PriceList&>(model) = found->second.front();
  model.later.assign(found->second.begin() + 1, found->second.end());
}

ServiceTiers build_service_tiers(const View& route, dialects::Surface surface, Report& report) {
  ServiceTiers tiers;
  for (const std::string& name : route.texts("service_tiers")) {
    if (const auto tier = service_tier_named(name)) tiers.add(*tier);
  }
  if (!tiers.empty() && !dialects::is_conversation(surface)) {
    tell_in(report, route, "service_tiers",
            "only conversations (chat_completions, responses, messages) have tiers");
  }
  return tiers;
}

const PriceList& prices_at(const Model& model, WallTime now) {
  const PriceList* found = &model;
  for (const PriceList& later : model.later) {
    if (later.from > now) break;
    found = &later;
  }
  return *found;
}

}  // namespace tollgate::config
