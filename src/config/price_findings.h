// Prices of models that are valid and can hardly be meant: far from what the provider publishes,
// upside down, or missing where a route lets in what costs money.
//
// The list of published prices ages, so a figure is told only where it is off by far.
//
// Pure.
#pragma once

#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/load.h"

namespace tollgate::config {

// Of when the pages are that the published prices were read from.
inline constexpr std::string_view kPublishedPricesOf = "early 2026";

// `text` is the file that `config` was made from.
std::vector<Finding> price_findings(const Config& config, std::string_view text);

}  // namespace tollgate::config
