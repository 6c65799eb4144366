// What is let in, or kept, and can never be in memory (edge.buffered_bytes_max).
#pragma once

#include <vector>

#include "config/config.h"
#include "config/posture_authentication.h"

namespace tollgate::config {

std::vector<Weakness> weaknesses_of_memory(const Config& config, const Written& written);

}  // namespace tollgate::config
