// What is valid and weak in the `fallback` and `downgrade` of a model.
#pragma once

#include <vector>

#include "config/config.h"
#include "config/posture_authentication.h"

namespace tollgate::config {

std::vector<Weakness> weaknesses_of_attempts(const Config& config, const Model& model);

}  // namespace tollgate::config
