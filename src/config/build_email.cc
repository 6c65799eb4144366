// The mail server of an entry of `notify`, and from whom and to whom its mail goes.
#include <fmt/format.h>

#include <algorithm>

#include "config/build.h"
#include "config/scalars.h"

namespace tollgate::config {

namespace {

constexpr std::string_view kSmtps = "smtps://";
constexpr std::string_view kSmtp = "smtp://";
constexpr std::size_t kAddressBytesMax = 254;   // RFC 5321, 4.5.3.1.3, without its brackets.
constexpr std::uint16_t kSmtpsPort = 465;       // RFC 8314
constexpr std::uint16_t kSubmissionPort = 587;  // RFC 6409

bool is_in(char c, std::string_view further) {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_letter || (c >= '0' && c <= '9') || further.find(c) != std::string_view::npos;
}

// As RFC 5321 has it without quoted parts: nothing in it could end a line or a path.
bool is_address(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos || at == 0 || text.size() > kAddressBytesMax) return false;
  const std::string_view domain = text.substr(at + 1);
  return !domain.empty() && std::ranges::all_of(text.substr(0, at), [](char c) {
    return is_in(c, ".!#$%&'*+/=?^_`{|}~-");
  }) && std::ranges::all_of(domain, [](char c) { return is_in(c, ".-"); });
}

// As curl takes it; nothing: it names no server.
std::optional<std::string> server_of(std::string_view text) {
  const bool tls = text.starts_with(kSmtps);
  if (!tls && !text.starts_with(kSmtp)) return std::nullopt;
  const std::string_view rest = text.substr((tls ? kSmtps : kSmtp).size());
  const std::optional<Endpoint> at = parse_url(fmt::format("http://{}", rest));
  const bool names_itself_so =
      at && std::ranges::all_of(at->path_prefix, [](char c) { return is_in(c, "./-"); });
  if (!names_itself_so || at->path_prefix.find('/', 1) != std::string::npos) return std::nullopt;
  const bool v6 = at->host.find(':') != std::string::npos;
  const std::string_view authority = rest.substr(0, rest.find('/'));
  const bool has_port =
      authority.rfind(':') != std::string_view::npos && (!v6 || !authority.ends_with(']'));
  const std::uint16_t port = has_port ? at->port : tls ? kSmtpsPort : kSubmissionPort;
  return fmt::format("{}{}{}{}:{}{}", tls ? kSmtps : kSmtp, v6 ? "[" : "", at->host, v6 ? "]" : "",
                     port, at->path_prefix);
}

}  // namespace

void build_email(Report& report, const View& view, alerts::Target& made) {
  const std::optional<std::string> server = server_of(view.text("email"));
  if (server) {
    made.url = Secret(*server);
  } else {
    tell_in(report, view, "email", "expected `smtps://HOST` or `smtp://HOST`, a port if need be");
  }
  alerts::Email& email = made.email;
  email.from = view.text("from");
  if (!is_address(email.from)) {
    tell_in(report, view, view.has("from") ? "from" : "email",
            "expected `from: NAME@DOMAIN`, an address without a display name");
  }
  email.to = view.texts("to");
  if (email.to.empty()) {
    tell_in(report, view, view.has("to") ? "to" : "email", "expected `to: [NAME@DOMAIN]`");
  }
  for (const std::string& one : email.to) {
    if (is_address(one)) continue;
    tell_in(report, view, "to", fmt::format("`{}` is no address of the form NAME@DOMAIN", one));
  }
  email.user = view.text("user");
  email.password = Secret(view.text("password"));
  email.password_file = readable_file(report, view, "password_file");
  const bool has_password = view.has("password") || view.has("password_file");
  if (view.has("password") && view.has("password_file")) {
    tell_in(report, view, "password_file", "expected one of `password` and `password_file`");
  }
  if (view.has("user") && !has_password) {
    tell_in(report, view, "user", "it needs a `password`, such as `\"${SMTP_PASSWORD}\"`");
  }
  if (!view.has("user") && has_password) {
    tell_in(report, view, view.has("password") ? "password" : "password_file",
            "whose it is: expected a `user`");
  }
  if (view.has("secret")) tell_in(report, view, "secret", "only a `webhook` has one");
}

}  // namespace tollgate::config
