// Pages of another host that may call with the session of their browser: those that the `origins`
// of a session name, or those of an MCP endpoint for that, to the letter.
//
// A browser asks before it lets such a page call (a preflight), and lets it read an answer that
// names its origin. It is named alone, never `*`, as credentials come along; whoever is not listed
// is told nothing, so the page's script learns nothing and its browser does not call. A preflight
// shows no cookie, so what is asked here is only whether any entry lists the page. Whose session it
// may use is asked of each call (authentication::check_origin), before anything is looked at: what
// a page can read of a call with another entry's session is that it may not make it.
//
// What is answered to a read is of one caller, and of one page where pages are listed. No cache may
// give it to another; answers to other methods are kept by no cache (RFC 9111, 3).
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
// Further head lines of whatever is answered to `head`: such that `page`, where there is one, may
// read it, and no cache gives it to anybody else. Static, or in `arena`.
std::string_view answer_headers(const RequestHead& head, std::string_view page,
                                const config::Config& config, Arena& arena);

}  // namespace tollgate::pipeline
