// Each kind of secret, with one that is and one that only almost is.
#include "controls/content/secrets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controls/content/testing_samples.h"
#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

using testing::rules_in;
using testing::Sample;
using testing::samples;

using Rules = std::vector<std::string>;

TEST(Secrets, AreFoundEachByItsRuleAndNothingElseIs) {
  std::set<std::string> kinds;
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule + ": " + sample.secret);
    EXPECT_EQ(rules_in(sample.secret), Rules{sample.rule});
    EXPECT_EQ(rules_in("Here: " + sample.secret + "\nThank you."), Rules{sample.rule});
    EXPECT_EQ(rules_in(R"({"key":")" + sample.secret + R"("})"), Rules{sample.rule});
    kinds.insert(sample.rule);
  }
  EXPECT_EQ(kinds.size(), secret_kinds()) << "each kind has a sample";
  EXPECT_GE(kinds.size(), 120U);
}

TEST(Secrets, AreNotWhatAlmostIsOne) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule + ": " + sample.near_miss);
    EXPECT_EQ(rules_in(sample.near_miss), Rules{});
    EXPECT_EQ(rules_in("Here: " + sample.near_miss + "\nThank you."), Rules{});
  }
}

// Behind the letter of an escape, as the arguments of tools have them, at any depth.
TEST(Secrets, AreFoundBehindAnEscape) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule);
    if (sample.secret.find('\n') != std::string::npos) continue;
    for (const char* escape : {"\\n", "\\\\n", "\\t", "\\\\\\\\r"}) {
      EXPECT_EQ(rules_in("Here:" + std::string(escape) + sample.secret), Rules{sample.rule})
          << escape;
    }
  }
}

// The parts of a token are no base64 of the layer that the sign before it is of.
TEST(Secrets, AreFoundRightBehindASign) {
  for (const Sample& sample : samples()) {
    if (sample.rule != "secrets.json_web_token" &&
        sample.rule != "secrets.sentry_organization_token") {
      continue;
    }
    for (const std::string sign :
         {"Bearer%20", "access_token%3D", "%22", "\\x3d", "a=3D", "&#61;"}) {
      EXPECT_EQ(rules_in(sign + sample.secret + " thanks"), Rules{sample.rule}) << sign;
    }
  }
}

TEST(Secrets, ArePrivateKeysHoweverTheirLinesEnd) {
  for (const Sample& sample : samples()) {
    if (sample.secret.find('\n') == std::string::npos) continue;
    SCOPED_TRACE(sample.rule);
    for (const char* line_break : {"\r\n", "\\n", "\\r\\n", "\\\\n", " "}) {
      std::string text;
      for (const char c : sample.secret) {
        if (c != '\n') {
          text.push_back(c);
        } else if (!text.ends_with(line_break)) {
          text += line_break;
        }
      }
      EXPECT_EQ(rules_in(text), Rules{sample.rule}) << text;
    }
  }
}

// As openssl and gpg write them where there is a passphrase or a comment.
TEST(Secrets, ArePrivateKeysWithHeaders) {
  constexpr std::string_view kLine =
      "MIIEowIBAAKCAQEAWHnhhrHXHPVTbT0/h5paRz/eYSFOdyBwmGwlrIrrNA3VjVJT";
  const std::string line(kLine);
  for (const std::string br : {"\n", "\r\n", "\\n", "\\\\n"}) {
    const std::string pem = "-----BEGIN RSA PRIVATE " + ("KEY-----" + br) +
                            "Proc-Type: 4,ENCRYPTED" + br +
                            "DEK-Info: AES-128-CBC,7347F18FB2949FA680FA8ECE2E5259BC" + br + br;
    EXPECT_EQ(rules_in(pem + line + br), Rules{"secrets.rsa_private_key"}) << pem;
    EXPECT_EQ(rules_in(pem + "see above"), Rules{}) << pem;
    const std::string pgp = "-----BEGIN PGP PRIVATE KEY " + ("BLOCK-----" + br) +
                            "Version: GnuPG v2" + br + "Comment: made here" + br + br;
    EXPECT_EQ(rules_in(pgp + line + br), Rules{"secrets.pgp_private_key"}) << pgp;
    const std::string other = "-----BEGIN PGP PRIVATE KEY " + ("BLOCK-----" + br) + "Key Owner: x" +
                              br + "File: C:\\Users\\key" + br + br;
    EXPECT_EQ(rules_in(other + line + br), Rules{"secrets.pgp_private_key"}) << other;
  }
}

TEST(Secrets, ArePrivateKeysHoweverTheirLinesAreSetIn) {
  const std::string line = "MIIEowIBAAKCAQEAWHnhhrHXHPVTbT0/h5paRz/eYSFOdyBwmGwlrIrrNA3VjVJT";
  for (const std::string br : {"\n> ", "\n# ", "\n * ", "\\n\" +\n    \"", "',\n  '", "\", \"",
                               "\n                    ", " |\n| "}) {
    EXPECT_EQ(rules_in("-----BEGIN RSA PRIVATE " + ("KEY-----" + br) + line + br),
              Rules{"secrets.rsa_private_key"})
        << br;
    EXPECT_EQ(rules_in("-----BEGIN RSA PRIVATE " + ("KEY-----" + br) + "and so on"), Rules{});
  }
}

TEST(Secrets, AreMaskedToTheEndOfAPrivateKey) {
  const Secret& secret = *std::ranges::find(secrets(), "secrets.rsa_private_key", &Secret::rule);
  const std::string line = "MIIEowIBAAKCAQEAWHnhhrHXHPVTbT0/h5paRz/eYSFOdyBwmGwlrIrrNA3VjVJT";
  const auto end_in = [&](const std::string& behind) {
    return end_of_block(secret, line + behind, line.size()) - line.size();
  };
  const std::string end = "-----END RSA PRIVATE KEY-----";
  for (const std::string br : {"\n", "\r\n", "\\n", "\n    ", "\n> ", "\\n\" +\n  \""}) {
    std::string block;
    for (int i = 0; i < 20; ++i) block += br + line;
    for (const std::string last : {"8vQ=", "8vQx", "8vQxAbCdEfGhIjKlMn", "=aB3d"}) {
      const std::string whole = block + br + last + br + end;
      EXPECT_EQ(end_in(whole + " and so on"), whole.size()) << whole;
      // Where it breaks off, all that is of it.
      EXPECT_EQ(end_in(block + br + last), (block + br + last).size()) << br;
      EXPECT_EQ(end_in(block), block.size());
    }
    EXPECT_EQ(end_in(block + br + "is my key, is it not?"), block.size());
  }
  EXPECT_EQ(end_in(", is it not?"), 0U);
  EXPECT_EQ(end_in("\n-----BEGIN RSA"), 0U);
  EXPECT_EQ(end_in("\n-----END RSA"), 10U);
  const Secret& other = *std::ranges::find(secrets(), "secrets.aws_access_key", &Secret::rule);
  EXPECT_EQ(end_of_block(other, line + "\n" + line, 10), 10U);
}

// So that what a text costs is linear in its bytes: whatever stands further away changes nothing.
TEST(Secrets, AreToldByALookOfABoundedSize) {
  std::mt19937_64 random{5};
  constexpr std::string_view kNoise = "aZ09-_.+/=~ \n\\\":";
  int matches = 0;
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule);
    std::string text = " " + sample.secret + " ";
    for (int i = 0; i < 1000; ++i) {
      text.insert(text.begin(), kNoise[random() % kNoise.size()]);
      text.push_back(kNoise[random() % kNoise.size()]);
    }
    for (const Secret& secret : secrets()) {
      const std::size_t anchor = text.find(secret.anchor);
      if (anchor == std::string::npos) continue;
      const std::size_t anchor_end = anchor + secret.anchor.size();
      const std::size_t begin = anchor - std::min<std::size_t>(anchor, secret.before.most + 3U);
      const std::string_view near =
          std::string_view(text).substr(begin, anchor_end - begin + 13 + secret.after.most);
      const auto whole = match(secret, text, anchor_end);
      const auto part = match(secret, near, anchor_end - begin);
      ASSERT_EQ(whole.has_value(), part.has_value());
      if (!whole) continue;
      ++matches;
      EXPECT_EQ(whole->begin, part->begin + begin);
      EXPECT_EQ(whole->end, part->end + begin);
    }
  }
  EXPECT_GT(matches, 120);
}

TEST(Secrets, HaveRulesThatAreNames) {
  std::set<std::string_view> rules;
  for (const Secret& secret : secrets()) {
    SCOPED_TRACE(secret.rule);
    rules.insert(secret.rule);
    EXPECT_TRUE(secret.rule.starts_with("secrets."));
    EXPECT_EQ(secret.rule.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_."),
              std::string_view::npos);
    EXPECT_GE(secret.anchor.size(), 2U);
    EXPECT_LE(secret.before.least, secret.before.most);
    EXPECT_LE(secret.after.least, secret.after.most);
    EXPECT_GT(secret.after.least, 0);
  }
  EXPECT_EQ(rules.size(), secret_kinds()) << "rows of a kind stand together";
}

}  // namespace
}  // namespace tollgate::content
