// A text as somebody writes it who wants it to pass a filter: for the attacks of the demo.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::cli {

// `parts` put together: plain; with zero-width spaces between them; in letters of another script
// that look alike; full-width; in tags; in base64; in hex. ASCII, at least one character.
std::vector<std::string> disguises(std::span<const std::string_view> parts);

}  // namespace tollgate::cli
