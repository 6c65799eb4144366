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

#include "controls/content/scanner.h"
#include "controls/content/testing_samples.h"
#include "controls/content/testing_scan.h"
#include "controls/content/testing_stream.h"

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

// Base64 that is drawn at random, as a key of PKCS #1 has it.
std::string key_of(std::size_t size, unsigned seed) {
  constexpr std::string_view kCharacters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::mt19937_64 random{seed};
  std::string key = "MIIEowIBAAKCAQEA";
  while (key.size() < size) key.push_back(kCharacters[random() % kCharacters.size()]);
  return key;
}

// Of which `#` is the number of the line, and `@` the line.
std::string shown(const std::vector<std::string>& lines, std::string_view as) {
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const char c : as) text += c == '#' ? std::to_string(i + 1) : std::string(1, c);
    text.replace(text.rfind('@'), 1, lines[i]);
  }
  return text;
}

std::vector<std::string> lines_of(const std::string& key, std::size_t width) {
  std::vector<std::string> lines = {"-----BEGIN RSA PRIVATE " + std::string("KEY-----")};
  for (std::size_t at = 0; at < key.size(); at += width) lines.push_back(key.substr(at, width));
  lines.emplace_back("-----END RSA PRIVATE KEY-----");
  return lines;
}

constexpr std::string_view kShownAs[] = {
    "@\n",
    "@",
    "@ ",
    "     #\t@\n",
    "     #\u2192@\n",
    "#: @\n",
    "k.pem:#:@\n",
    "2024-01-02T03:04:05Z @\n",
    "Jan  2 03:04:05 host app[12]: @\n",
    "// @\n",
    "; @\n",
    "- @\n",
    "-@\n",
    "+@\n",
    "`@`\n",
    "**@**\n",
    "@<br>",
    "@<br/>\n",
    "<p>@</p>\n",
    "<li>@</li>\n",
    "<tr><td class=\"line\">#</td><td><code>@</code></td></tr>\n",
    "echo \"@\" >> k\n",
    "key += \"@\\n\";\n",
    "'@' . \"\\n\" .\n",
    "\"@\" & _\n",
    "                                                                      @\n",
    "| # | @ |\n"};

TEST(Secrets, ArePrivateKeysHoweverTheyAreShown) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const std::string key = key_of(1'600, seed);
    for (const std::string_view as : kShownAs) {
      EXPECT_EQ(rules_in(shown(lines_of(key, 64), as)), Rules{"secrets.rsa_private_key"}) << as;
    }
    for (const std::size_t width : {4, 8, 10, 12, 16, 20, 70, 76}) {
      for (const std::string_view as : {"@\n", "@ ", " # @\n"}) {
        EXPECT_EQ(rules_in(shown(lines_of(key, width), as)), Rules{"secrets.rsa_private_key"})
            << width << as;
      }
    }
  }
}

TEST(Secrets, AreTheSameInPiecesHoweverAKeyIsShown) {
  const std::string key = key_of(400, 7);
  std::vector<std::string> texts;
  for (const std::string_view as : kShownAs) texts.push_back(shown(lines_of(key, 64), as));
  for (const std::size_t width : {4, 8, 12, 20}) {
    texts.push_back(shown(lines_of(key, width), "@\n"));
  }
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    for (std::size_t step = 1; step < 80; step += step < 8 ? 1 : 9) {
      for (const std::string& whole : {text, text.substr(0, 90), text.substr(0, 130)}) {
        const testing::Streamed streamed = testing::scan_pieces(testing::cut(whole, step));
        EXPECT_TRUE(streamed.is_sound);
        EXPECT_TRUE(testing::is_as_whole(whole, streamed));
      }
    }
  }
}

// What is written about keys, and code that reads them.
TEST(Secrets, AreNoWordsBehindTheFirstLineOfAKey) {
  const std::string begin = "-----BEGIN PRIVATE " + std::string("KEY-----");
  const std::vector<std::string> behinds = {
      " is the header of a PEM file, as RFC 7468 has it, and what follows is base64.",
      "\n<your key here>\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n" +
          key_of(800, 3),
      "\")) { return KeyFactory.getInstance(\"RSA\").generatePrivate(new "
      "PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pemContents.getBytes()))); }",
      "`, or `-----BEGIN RSA PRIVATE KEY-----` of PKCS1, with AES256 or 3DES",
      "\"; PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(bytes); X509EncodedKeySpec "
      "x509EncodedKeySpec; PKCS8EncryptedPrivateKeyInfo info; SHA256withRSA; AES256GCM",
      "\"\nfunction parsePkcs8Der2(inputBuf, startIdx) {\n  const asn1Seq = Asn1Parser2.readSeq1("
      "Uint8Array.from(bufToB64Url(inputBuf)));\n  setUint32BE(asn1Seq, startIdx);\n",
      "\nMIIEvQIBADANBg...\n-----END PRIVATE KEY-----",
      "\n1\tYOUR_PRIVATE_KEY_GOES_HERE_AND_NOWHERE_ELSE\n",
      " sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      "\\n...\\n",
      " (a GitHub App downloads one; see docs.github.com/en/apps/creating/keys)",
      "\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"};
  for (const std::string& behind : behinds) {
    EXPECT_EQ(rules_in(begin + behind), Rules{}) << behind;
    const testing::Streamed streamed =
        testing::scan_pieces(testing::cut(begin + behind + std::string(4'000, '.'), 1));
    EXPECT_TRUE(streamed.found.empty());
    EXPECT_LE(streamed.held_most, 600U) << behind;
  }
}

TEST(Secrets, AreMaskedToTheEndOfAPrivateKeyHoweverItIsShown) {
  const Secret& secret = *std::ranges::find(secrets(), "secrets.rsa_private_key", &Secret::rule);
  const std::string key = key_of(1'600, 11);
  for (const std::string_view as : kShownAs) {
    SCOPED_TRACE(as);
    const std::string text = shown(lines_of(key, 64), as);
    const auto found = match(secret, text, secret.anchor.size() + text.find(secret.anchor));
    ASSERT_TRUE(found);
    const std::string_view last = "-----END RSA PRIVATE KEY-----";
    const std::size_t end = text.find(last) + last.size();
    for (const std::string behind : {"", " and so on", "\n-----END RSA PRIVATE KEY"}) {
      EXPECT_EQ(end_of_block(secret, text + behind, found->end), end);
    }
    // Whatever stands between…
    std::string torn = text;
    torn.insert(text.find(key.substr(640, 64)), " (page 2 of it, which ann@hoverly.com has) ");
    EXPECT_EQ(end_of_block(secret, torn, found->end), end + torn.size() - text.size());
    // …and where it breaks off, all that is of it.
    const std::string part = text.substr(0, text.find(key.substr(960, 64)) + 64);
    for (const std::string behind : {"", " and so on", "\n-----BEGIN RSA PRIVATE KEY-----\n"}) {
      EXPECT_EQ(end_of_block(secret, part + behind, found->end), part.size()) << behind;
    }
  }
  // What is further away than a key is long is of another.
  const std::string line = key.substr(0, 64);
  EXPECT_EQ(end_of_block(secret, line + std::string(70'000, ' ') + "-----END RSA PRIVATE KEY-----",
                         line.size()),
            line.size());
}

// With the last line, which may be short.
TEST(Secrets, AreMaskedToTheEndOfAPrivateKeyThatNoMarkEnds) {
  const Secret& secret = *std::ranges::find(secrets(), "secrets.rsa_private_key", &Secret::rule);
  for (const std::string_view before : {"12: ", "<br>> ", "2024-05-06T12:00:01Z host app: "}) {
    SCOPED_TRACE(before);
    std::string text(secret.anchor);
    const std::string key = key_of(640, 5);
    for (std::size_t at = 0; at < key.size(); at += 64) {
      text.append("\n").append(before).append(key.substr(at, 64));
    }
    text.append("\n").append(before).append("YJ/KEQ==");
    const std::size_t size = text.size();
    text += "\nThat was it, and KEY=value stands behind it.";
    const auto found = match(secret, text, secret.anchor.size());
    ASSERT_TRUE(found);
    EXPECT_EQ(end_of_block(secret, text, found->end), size);
  }
}

// The parts of a text that are masked.
std::vector<std::string> masked_in(std::string_view text) {
  Scanner scanner;
  std::vector<Action> actions = testing::all_refuse(testing::kSecretsPack);
  std::ranges::replace(actions, Action::kRefuse, Action::kRedact);
  EXPECT_TRUE(scanner.begin(testing::rules(), actions, Layers::kAll).has_value());
  EXPECT_TRUE(scanner.read(text).has_value());
  std::vector<std::string> masked;
  for (const Finding& finding : scanner.found()) {
    masked.emplace_back(text.substr(finding.offset, finding.bytes));
  }
  return masked;
}

TEST(Secrets, AreMaskedWithAllOfAPrivateKeyHoweverItIsShown) {
  const std::string last = "-----END RSA PRIVATE KEY-----";
  for (const std::size_t size : {400, 1'600, 20'000}) {
    const std::string key = key_of(size, 13);
    for (const std::string_view as : kShownAs) {
      SCOPED_TRACE(as);
      const std::string shown_so = shown(lines_of(key, 64), as);
      std::string text = shown_so.substr(shown_so.find("-----BEGIN"));
      text.resize(text.find(last) + last.size());
      const std::string behind = " A certificate has -----END CERTIFICATE----- at its end.";
      EXPECT_EQ(masked_in("It is " + text + behind), std::vector{text});
      EXPECT_EQ(masked_in(text + behind + text), (std::vector{text, text}));
      // With what nobody sees in it, at any place.
      for (const std::size_t at : {20UL, 100UL, text.size() / 2, text.size() - 5}) {
        std::string hidden = text;
        hidden.insert(at, "\u200b");
        EXPECT_EQ(masked_in("It is " + hidden + behind), std::vector{hidden}) << at;
      }
    }
  }
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
