// The address of an image that a model server is to fetch: https://HOST/PATH, in the one form that
// all parsers read alike. RFC 3986 and the URL standard of browsers differ in what a backslash, a
// tab, an `@` or a fragment before the path does to the host, so an address with one of them is not
// taken; nor is a host in any spelling but small letters, digits, hyphens and dots, an IP address
// in any of its spellings, a name and password, or a port other than 443.
//
// Pure; linear. Sources: RFC 3986, sections 3.2 and 3.3; RFC 1123, section 2.1; WHATWG URL, "Host
// parsing" ("ends in a number").
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>

namespace tollgate::dialects {

// Signed addresses of stores have some two thousand bytes.
inline constexpr std::size_t kMediaUrlBytesMax = 8'192;

// Its host, a part of `url`; or what is wrong with it, as words behind "an address that".
std::expected<std::string_view, std::string_view> host_of_media_url(std::string_view url);

// Whether `host` is the name of a host as such an address has it: small letters, no IP address.
bool is_host_name(std::string_view host);

}  // namespace tollgate::dialects
