#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <set>

#include "config/build.h"

namespace tollgate::config {

namespace {

using authentication::CertificateName;
using authentication::MtlsPolicy;
using authentication::PolicyMistake;
using authentication::TrustBundle;

using Read = std::expected<std::unique_ptr<const TrustBundle>, std::string>;

Read read_bundle(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::unexpected(fmt::format("`{}` cannot be read", path));
  std::string text(TrustBundle::kBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  Read read = TrustBundle::read(text);
  if (!read) return std::unexpected(fmt::format("`{}` cannot be used: {}", path, read.error()));
  return read;
}

class MtlsBuilder {
 public:
  MtlsBuilder(const View& view, Config& config, Report& report)
      : view_(view), config_(config), made_(config.authentication.mtls), report_(report) {}

  void build() {
    std::vector<View> views = view_.each("mtls");
    std::erase_if(views, [](const View& view) { return view.node()->kind != NodeKind::kMapping; });
    for (const View& view : views) {
      made_.push_back(policy(view));
      bundle(view, views.size(), made_.back());
      for (const PolicyMistake& mistake : check(made_.back())) tell(view, mistake);
    }
    // Told at the later of the two.
    std::size_t told = 0;
    for (std::size_t count = 2; count <= made_.size(); ++count) {
      const auto found = check(std::span<const MtlsPolicy>(made_).first(count));
      for (; told < found.size(); ++told) tell(views[count - 1], found[told]);
    }
  }

 private:
  MtlsPolicy policy(const View& view) {
    MtlsPolicy made;
    made.name = view.text("name");
    made.trust_domain = view.text("trust_domain");
    const bool spiffe = view.has("trust_domain");
    made.named_by =
        spiffe ? CertificateName::kSpiffeId : view.choice("subject", CertificateName::kCommonName);
    made.tenant = view.text("tenant");
    if (!made.tenant.empty()) check_tenant(view, "tenant", made.tenant);
    const std::string_view patterns = spiffe ? "tenant_by_spiffe_id" : "tenant_by_subject";
    for (auto& [pattern, tenant] : view.pairs(patterns)) {
      check_tenant(view, patterns, tenant);
      made.tenant_by_name.push_back({pattern, tenant});
    }
    made.roles = view.texts("roles");
    const std::string_view other = spiffe ? "tenant_by_subject" : "tenant_by_spiffe_id";
    if (view.has(other)) {
      tell_in(report_, view, other,
              spiffe ? "with `trust_domain` it is `tenant_by_spiffe_id`"
                     : "without `trust_domain` it is `tenant_by_subject`");
    }
    if (spiffe && view.has("subject")) {
      tell_in(report_, view, "subject", "with `trust_domain` the SPIFFE ID names the holder");
    }
    return made;
  }

  void bundle(const View& view, std::size_t entries, MtlsPolicy& made) {
    made.bundle = file_of(report_, view, "bundle");
    if (made.bundle.empty() && !view.has("bundle")) {
      std::set<std::string> asked;
      for (const Listener& listener : config_.listeners) {
        if (listener.tls && !listener.tls->client_ca.empty()) asked.insert(listener.tls->client_ca);
      }
      if (entries != 1 || asked.size() != 1) {
        report_.tell(*view.node(), view.path(),
                     "`bundle` is missing: only the listeners' one `client_ca` can stand for it, "
                     "and only for one entry");
        return;
      }
      made.bundle = *asked.begin();
    }
    if (made.bundle.empty()) return;
    Read read = read_bundle(made.bundle);
    if (read) {
      made.trust = std::move(*read);
    } else if (view.has("bundle")) {  // Else it is told of the listener.
      tell_in(report_, view, "bundle", read.error());
    }
  }

  void check_tenant(const View& view, std::string_view key, const std::string& name) {
    if (index_of(config_.tenants, name) >= 0) return;
    tell_in(report_, view, key, unknown_name(name, "tenant", config_.tenants));
  }

  // At the field where it is written, else at the entry that lacks it. What is wrong with a value
  // that its table refused has been told already.
  void tell(const View& view, const PolicyMistake& mistake) {
    const Node* field = view.node()->find(mistake.field);
    if (field == nullptr && mistake.field == "name") return;
    const Node& at = field != nullptr ? *field : *view.node();
    if (at.broken) return;
    report_.tell(
        at, field != nullptr ? view.path(mistake.field) : view.path(),
        field != nullptr ? mistake.why : fmt::format("`{}`: {}", mistake.field, mistake.why));
  }

  const View& view_;
  Config& config_;
  std::vector<MtlsPolicy>& made_;
  Report& report_;
};

}  // namespace

void build_mtls(const View& view, Config& config, Report& report) {
  MtlsBuilder(view, config, report).build();
}

std::string check_client_ca(const std::string& path) {
  const Read read = read_bundle(path);
  return read ? std::string() : read.error();
}

}  // namespace tollgate::config
