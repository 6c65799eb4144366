#include "config/build.h"

namespace tollgate::config {

std::optional<Tls> build_tls(const View& owner, Report& report) {
  if (!owner.has("tls")) return std::nullopt;
  const View view = owner.section("tls");
  const auto file = [&](std::string_view key) { return file_of(report, view, key); };
  Tls made{file("certificate"), file("key"), file("client_ca"), {}};
  made.client_certificates = view.choice("client_certificates", made.client_certificates);
  if (!made.certificate.empty() && !made.key.empty()) {
    const std::string wrong = check_tls(made);
    if (!wrong.empty()) tell_in(report, owner, "tls", wrong);
  }
  if (!made.client_ca.empty()) {
    const std::string wrong = check_client_ca(made.client_ca);
    if (!wrong.empty()) tell_in(report, view, "client_ca", wrong);
  } else if (view.has("client_certificates") && !view.has("client_ca")) {
    tell_in(report, view, "client_certificates", "without `client_ca` no certificate is asked for");
  }
  return made;
}

}  // namespace tollgate::config
