#include "controls/authentication/trust_bundle.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/check.h"
#include "base/sha256.h"
#include "controls/authentication/spiffe_id.h"
#include "controls/authentication/x509_reading.h"

namespace tollgate::authentication {

namespace {

// As OpenSSL counts the strength of keys and digests: 112 bits, as for the handshake.
constexpr int kSecurityLevel = 2;

struct FreeX509Parts {
  void operator()(BIO* text) const { BIO_free_all(text); }
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
  void operator()(STACK_OF(X509) * chain) const { sk_X509_pop_free(chain, X509_free); }
};

int no_passphrase(char*, int, int, void*) { return 0; }

std::time_t seconds_of(WallTime now) {
  return std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
}

// SPIFFE X.509-SVID 3.2: an authority's SPIFFE ID is its trust domain, without a path.
bool may_sign(const X509* authority) {
  return std::ranges::none_of(alternative_names(authority, GEN_URI), [](const std::string& uri) {
    const std::optional<SpiffeId> id = read_spiffe_id(uri);
    return id && !id->path.empty();
  });
}

}  // namespace

void TrustBundle::FreeStore::operator()(x509_store_st* store) const { X509_STORE_free(store); }

TrustBundle::~TrustBundle() = default;

std::expected<std::unique_ptr<const TrustBundle>, std::string> TrustBundle::read(
    std::string_view pem) {
  const ErrorsForgotten forgotten;
  if (pem.size() > kBytesMax) {
    return std::unexpected(fmt::format("it has more than {} MiB", kBytesMax >> 20));
  }
  std::unique_ptr<TrustBundle> made(new TrustBundle());
  made->store_.reset(X509_STORE_new());
  const std::unique_ptr<BIO, FreeX509Parts> text(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(made->store_ != nullptr && text != nullptr);
  int anchors = 0;
  while (true) {
    const X509Certificate anchor(PEM_read_bio_X509(text.get(), nullptr, no_passphrase, nullptr));
    if (!anchor) {
      const unsigned long error = ERR_peek_last_error();
      if (ERR_GET_REASON(error) == PEM_R_NO_START_LINE) break;
      return std::unexpected(fmt::format("its certificate {} is not well-formed", anchors + 1));
    }
    ++anchors;
    if (X509_check_ca(anchor.get()) != 1 || !may_sign(anchor.get())) {
      return std::unexpected(fmt::format(
          "its certificate {} is not that of an authority: a caller's own certificate has no "
          "place in a bundle",
          anchors));
    }
    CHECK(X509_STORE_add_cert(made->store_.get(), anchor.get()) == 1);
  }
  if (anchors == 0) return std::unexpected("it holds no PEM certificate");
  X509_VERIFY_PARAM* how = X509_STORE_get0_param(made->store_.get());
  X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_depth(how, kDepthMax);
  X509_VERIFY_PARAM_set_auth_level(how, kSecurityLevel);
  made->digest_ = sha256(pem);
  return made;
}

bool TrustBundle::vouches_for(const ClientCertificate& certificate, WallTime now) const {
  const ErrorsForgotten forgotten;
  const X509Certificate leaf = read_der(certificate.der);
  const std::unique_ptr<STACK_OF(X509), FreeX509Parts> chain(sk_X509_new_null());
  const std::unique_ptr<X509_STORE_CTX, FreeX509Parts> context(X509_STORE_CTX_new());
  if (!leaf || !chain || !context) return false;
  for (const std::string& der : certificate.chain) {
    X509Certificate part = read_der(der);
    if (!part || sk_X509_push(chain.get(), part.get()) <= 0) return false;
    static_cast<void>(part.release());
  }
  if (X509_STORE_CTX_init(context.get(), store_.get(), leaf.get(), chain.get()) != 1) return false;
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_CLIENT);
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), seconds_of(now));
  if (X509_verify_cert(context.get()) != 1) return false;
  const STACK_OF(X509)* proven = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 1; i < sk_X509_num(proven); ++i) {
    if (!may_sign(sk_X509_value(proven, i))) return false;
  }
  return true;
}

bool BundleVerdicts::vouches(const TrustBundle& bundle, const ClientCertificate& certificate,
                             WallTime now) {
  Verdict& verdict = verdicts_[(certificate.presented[0] ^ bundle.digest()[0]) % kKept];
  const bool good = verdict.kept && verdict.bundle == bundle.digest() &&
                    verdict.presented == certificate.presented && now >= verdict.given &&
                    now < verdict.given + kGood;
  if (!good) {
    verdict = {bundle.digest(), certificate.presented, now, bundle.vouches_for(certificate, now),
               true};
  }
  return verdict.vouches;
}

}  // namespace tollgate::authentication
