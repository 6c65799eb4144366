#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <fstream>
#include <memory>

#include "config/build.h"

namespace tollgate::config {
namespace {

// Writes a key and a certificate of its own to `folder`/NAME.key and NAME.crt.
void write_pair(const std::string& folder, const std::string& name) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  ASSERT_GT(X509_sign(made.get(), key.get(), EVP_sha256()), 0);
  const auto write = [&](const std::string& ending, auto&& pem) {
    std::FILE* file = std::fopen((folder + "/" + name + ending).c_str(), "w");
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(pem(file), 1);
    std::fclose(file);
  };
  write(".crt", [&](std::FILE* file) { return PEM_write_X509(file, made.get()); });
  write(".key", [&](std::FILE* file) {
    return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

TEST(TlsFiles, MustBeReadableAndBelongTogether) {
  const std::string folder = testing::TempDir();
  write_pair(folder, "one");
  write_pair(folder, "two");
  std::ofstream(folder + "/no.pem") << "no PEM\n";
  const std::string one = folder + "/one.crt";
  EXPECT_EQ(check_tls({one, folder + "/one.key"}), "");
  EXPECT_EQ(check_tls({one, folder + "/two.key"}),
            "the key `" + folder + "/two.key` is not that of the certificate `" + one + "`");
  EXPECT_EQ(check_tls({one, folder + "/gone"}), "the key `" + folder + "/gone` cannot be read");
  EXPECT_EQ(check_tls({folder + "/gone", one}),
            "the certificate `" + folder + "/gone` cannot be read");
  EXPECT_EQ(check_tls({folder + "/no.pem", folder + "/one.key"}),
            "`" + folder + "/no.pem` holds no PEM certificate");
  EXPECT_EQ(check_tls({one, folder + "/no.pem"}),
            "`" + folder + "/no.pem` holds no PEM private key without passphrase");
}

}  // namespace
}  // namespace tollgate::config
