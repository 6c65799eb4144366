// Pages of another host that may call with the session of their browser: those that the `origins`
// of a session name, to the letter.
//
// A browser asks before it lets such a page call (a preflight), and lets it read an answer that
// names its origin. It is named alone, never `*`, as credentials come along; whoever is not listed
// is told nothing, so the page's script learns nothing and its browser does not call. What a call
// needs besides (a session that is good) is not said here.
//
// Source: the Fetch standard, 3.3 "CORS protocol". Pure. Safe from any thread.
#pragma once

#include <string_view>

#include "base/arena.h"
#include "config/config.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// The origin that the call of `head` is of, where it is listed; empty: nobody's.
std::string_view listed_page(const RequestHead& head, const config::Config& config);

// Whether a browser only asks if it may call.
bool is_preflight(const RequestHead& head);

// Head lines of the answer to that, in `arena`: what such a page may send, of what it asks for.
std::string_view preflight_headers(const RequestHead& head, std::string_view page, Arena& arena);
// Head lines that let the page read what it is answered.
std::string_view page_headers(std::string_view page, Arena& arena);

}  // namespace tollgate::pipeline
