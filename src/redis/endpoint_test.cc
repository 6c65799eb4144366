#include "redis/endpoint.h"

#include <gtest/gtest.h>

namespace tollgate::redis {
namespace {

TEST(Endpoint, ReadsUrls) {
  struct Row {
    std::string_view url, shown, user, password;
    int database = 0;
    bool tls = false;
  };
  const Row table[] = {
      {"redis://cache", "redis://cache:6379", "", ""},
      {"redis://cache:7000/3", "redis://cache:7000/3", "", "", 3},
      {"redis://cache/", "redis://cache:6379", "", ""},
      {"redis://:se%40cret@cache", "redis://cache:6379", "", "se@cret"},
      {"rediss://gate:a:b%2F@cache:6380/0", "rediss://cache:6380", "gate", "a:b/", 0, true},
      {"redis://u:p@ss@cache", "redis://cache:6379", "u", "p@ss"},
      {"redis://[::1]:7000", "redis://[::1]:7000", "", ""},
      {"redis://[::1]", "redis://[::1]:6379", "", ""},
      {"unix:///run/redis.sock", "unix:///run/redis.sock", "", ""},
      {"unix://:pw@/run/redis.sock", "unix:///run/redis.sock", "", "pw"},
  };
  for (const Row& row : table) {
    const FaultOr<Endpoint> read = parse_url(row.url);
    ASSERT_TRUE(read) << row.url;
    EXPECT_EQ(read->shown(), row.shown);
    EXPECT_EQ(read->user, row.user) << row.url;
    EXPECT_EQ(read->password, row.password) << row.url;
    EXPECT_EQ(read->database, row.database) << row.url;
    EXPECT_EQ(read->tls, row.tls) << row.url;
  }
}

TEST(Endpoint, NamesTheFilesOfTls) {
  const auto read = parse_url(
      "rediss://a:b@cache/2?sslrootcert=/etc/my%20ca.pem&sslcert=/etc/own.pem&sslkey=/etc/own.key");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->certificate_authority, "/etc/my ca.pem");
  EXPECT_EQ(read->certificate, "/etc/own.pem");
  EXPECT_EQ(read->key, "/etc/own.key");
  EXPECT_EQ(read->database, 2);
  EXPECT_EQ(read->host, "cache");
  EXPECT_EQ(parse_url("rediss://cache?sslrootcert=ca.pem")->certificate_authority, "ca.pem");
  EXPECT_TRUE(parse_url("rediss://cache?"));
}

TEST(Endpoint, SaysWhatIsWrongWithAUrlAndNotThePassword) {
  const std::pair<std::string_view, std::string_view> table[] = {
      {"http://hunter2", "begin with redis://"},
      {"redis://", "no host"},
      {"redis://:hunter2@", "no host"},
      {"redis://hunter2@cache", "without a password"},
      {"redis://a:hunter2%zz@cache", "hexadecimal"},
      {"redis://a:hunter2@cache:70000", "port"},
      {"redis://a:hunter2@cache:0", "port"},
      {"redis://a:hunter2@cache:x", "port"},
      {"redis://a:hunter2@cache/one", "database"},
      {"redis://a:hunter2@cache/-1", "database"},
      {"redis://a:hunter2@cache?x=1", "query"},
      {"redis://a:hunter2@cache?sslrootcert=/ca.pem", "query"},
      {"rediss://a:hunter2@cache#x", "fragment"},
      {"rediss://a:hunter2@cache?ca=/ca.pem", "other than sslrootcert"},
      {"rediss://a:hunter2@cache?sslrootcert=", "or none"},
      {"rediss://a:hunter2@cache?sslrootcert=a&sslrootcert=b", "twice"},
      {"rediss://a:hunter2@cache?sslrootcert=%00", "or none"},
      {"rediss://a:hunter2@cache?sslrootcert=%0", "hexadecimal"},
      {"rediss://a:hunter2@cache?sslcert=a", "without sslkey"},
      {"rediss://a:hunter2@cache?sslkey=a", "without sslcert"},
      {"redis://[::1", "without a ]"},
      {"redis://[::1]x", "after ]"},
      {"redis://ca che", "characters"},
      {"unix://run/redis.sock", "whole path"},
  };
  for (const auto& [url, words] : table) {
    const FaultOr<Endpoint> read = parse_url(url);
    ASSERT_FALSE(read) << url;
    EXPECT_NE(read.error().message.find(words), std::string::npos)
        << url << ": " << read.error().message;
    EXPECT_EQ(read.error().message.find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace tollgate::redis
