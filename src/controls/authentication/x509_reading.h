// What the files of this folder read out of certificates of OpenSSL's.
#pragma once

#include <openssl/err.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::authentication {

struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using X509Certificate = std::unique_ptr<X509, FreeX509>;

// What OpenSSL noted down meanwhile is not taken for a later failure of this thread.
struct ErrorsForgotten {
  ErrorsForgotten() = default;
  ErrorsForgotten(const ErrorsForgotten&) = delete;
  ~ErrorsForgotten() { ERR_clear_error(); }
};

// Null where `der` is not exactly one certificate.
X509Certificate read_der(std::string_view der);

// The names of one kind (GEN_URI, GEN_DNS) in the subject's alternative names, as they stand.
std::vector<std::string> alternative_names(const X509* certificate, int kind);

}  // namespace tollgate::authentication
