#include "dialects/media_url.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

namespace tollgate::dialects {
namespace {

TEST(MediaUrl, HasOneHost) {
  const struct {
    std::string_view url;
    std::string_view host;
  } rows[] = {
      {"https://images.example.com/a.png", "images.example.com"},
      {"https://images.example.com/", "images.example.com"},
      {"https://images.example.com:443/a/b?x=1&y=%2F:@/'()*", "images.example.com"},
      {"https://a-1.xn--bcher-kva.example/a", "a-1.xn--bcher-kva.example"},
      {"https://1.2.3.example/a", "1.2.3.example"},
      {"https://0x7f.a/", "0x7f.a"},
      {"https://minio/a", "minio"},
  };
  for (const auto& row : rows) {
    const auto host = host_of_media_url(row.url);
    ASSERT_TRUE(host) << row.url << " " << host.error();
    EXPECT_EQ(*host, row.host);
  }
}

// Whatever two parsers could read as two hosts.
const std::string kTwoHosts[] = {
    "", "https:", "https://", "https:///a", "https://a.example", "https:/a.example/",
    "http://a.example/", "HTTPS://a.example/", " https://a.example/", "file:///etc/passwd",
    "ftp://a.example/", "//a.example/", "https:\\\\a.example/",
    // A user, a port.
    "https://user@a.example/", "https://a.example@b.example/", "https://a.example:80/",
    "https://a.example:443:443/", "https://a.example:/", "https://a.example:0443/",
    "https://a.example:@b.example/",
    // What ends a host in one parser and not in the other.
    "https://a.example\\@b.example/", "https://b.example\\.a.example/", "https://a.example?/",
    "https://a.example#/", "https://a.example#@b.example/", "https://a.example?@b.example/",
    "https://a.example;b/", "https://a.example,b.example/", "https://a.example b.example/",
    "https://a.exa\tmple/", "https://a.exa\nmple/", "https://a.example\r\n/",
    std::string("https://a.example\0/", 19), "https://a\u3002example/", "https://a.ex\u00adample/"};

// What is no name of a host, or no address.
std::vector<std::string> not_plain() {
  const std::string long_label(64, 'a');
  const std::string long_host = std::string(200, 'a') + ".example";
  return {
      // Other spellings of it.
      "https://A.example/", "https://a.example./", "https://.a.example/", "https://a..example/",
      "https://%61.example/", "https://a%2eexample/", "https://b\u00fccher.example/",
      "https://\uff41.example/", "https://a_b.example/", "https://-a.example/",
      "https://a-.example/", "https://" + long_label + ".example/", "https://" + long_host + "/",
      // IP addresses.
      "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
      "https://0x7f.0.0.0x1/", "https://0177.0.0.1/", "https://[::1]/", "https://[::ffff:1.2.3.4]/",
      "https://169.254.169.254/latest", "https://a.example.1/", "https://a.0x/",
      // Behind the host.
      "https://a.example/a b", "https://a.example/a\\b", "https://a.example/#a",
      "https://a.example/%", "https://a.example/%4", "https://a.example/%zz",
      "https://a.example/\u00e9", "https://a.example/a\tb", "https://a.example/\"",
      "https://a.example/[a]", "https://a.example/<a>", "https://a.example/{a}",
      "https://a.example/" + std::string(kMediaUrlBytesMax, 'a')};
}

TEST(MediaUrl, IsRefusedWhereItsHostCouldBeAnother) {
  std::vector<std::string> refused = not_plain();
  refused.insert(refused.end(), std::begin(kTwoHosts), std::end(kTwoHosts));
  for (const std::string& url : refused) {
    const auto host = host_of_media_url(url);
    EXPECT_FALSE(host) << url << " " << (host ? *host : "");
  }
}

TEST(MediaUrl, NamesAreThoseOfHosts) {
  for (const char* name : {"a", "a.b", "images.example.com", "1.a", "xn--a"})
    EXPECT_TRUE(is_host_name(name)) << name;
  for (const char* name :
       {"", ".", "a.", ".a", "*.a", "A", "a:1", "a/", "1", "1.2.3.4", "0x1", "a b"})
    EXPECT_FALSE(is_host_name(name)) << name;
}

}  // namespace
}  // namespace tollgate::dialects
