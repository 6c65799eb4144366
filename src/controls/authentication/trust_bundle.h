// The authorities that vouch for the certificates of one SPIFFE trust domain, or of one operator.
//
// Each bundle stands for itself: what one vouches for says nothing about another, although a
// listener lets in whom any of them does. Every certificate of a bundle is an anchor, whether or
// not it signs itself.
//
// const is safe from any thread; BundleVerdicts belongs to one.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controls/authentication/client_certificate.h"

struct x509_store_st;

namespace tollgate::authentication {

class TrustBundle {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;
  static constexpr int kDepthMax = 8;  // Authorities between a certificate and an anchor.

  // The certificates of a PEM text, each an authority's. An error, in words for the operator.
  static std::expected<std::unique_ptr<const TrustBundle>, std::string> read(std::string_view pem);
  ~TrustBundle();

  // Whether a chain of what was presented leads from the certificate to an anchor, for a client,
  // at `now` (RFC 5280 6). Some 0.1 ms.
  bool vouches_for(const ClientCertificate& certificate, WallTime now) const;

  const Digest& digest() const { return digest_; }  // SHA-256 of the text.

  // For a handshake that believes this bundle alone. Borrowed.
  x509_store_st* store() const { return store_.get(); }

 private:
  struct FreeStore {
    void operator()(x509_store_st* store) const;
  };
  TrustBundle() = default;

  std::unique_ptr<x509_store_st, FreeStore> store_;
  Digest digest_{};
};

// What bundles said of certificates lately, as a connection asks many times with one certificate.
// A verdict is good for that bundle, to the letter, and for a minute.
class BundleVerdicts {
 public:
  static constexpr std::size_t kKept = 256;
  static constexpr Duration kGood = std::chrono::seconds(60);

  bool vouches(const TrustBundle& bundle, const ClientCertificate& certificate, WallTime now);

 private:
  struct Verdict {
    Digest bundle{};
    Digest presented{};
    WallTime given{};
    bool vouches = false;
    bool kept = false;
  };
  std::vector<Verdict> verdicts_{kKept};
};

}  // namespace tollgate::authentication
