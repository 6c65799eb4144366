#include "pipeline/client_deadline.h"

#include <gtest/gtest.h>

#include <vector>

namespace tollgate::pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::optional<Duration> told(std::vector<Header> headers) {
  RequestHead head;
  head.headers = headers;
  return time_allowed_by(head);
}

TEST(ClientDeadline, IsWhatClientsSendToday) {
  EXPECT_EQ(told({{"X-Stainless-Timeout", "600"}}), seconds(600));
  EXPECT_EQ(told({{"x-stainless-read-timeout", "12.5"}}), milliseconds(12'500));
  EXPECT_EQ(told({{"x-envoy-expected-rq-timeout-ms", "1500"}}), milliseconds(1'500));
  EXPECT_EQ(told({{"grpc-timeout", "2S"}}), seconds(2));
  EXPECT_EQ(told({{"grpc-timeout", "100m"}}), milliseconds(100));
  EXPECT_EQ(told({{"grpc-timeout", "1H"}}), seconds(3600));
}

TEST(ClientDeadline, IsTheShortestOfSeveral) {
  EXPECT_EQ(told({{"x-stainless-timeout", "600"}, {"grpc-timeout", "3S"}}), seconds(3));
}

// Nothing that cannot be read turns anybody away.
TEST(ClientDeadline, IsNoneWhereItCannotBeRead) {
  EXPECT_EQ(told({}), std::nullopt);
  for (const char* text : {"", "0", "-1", "nan", "inf", "1e9", "10s", " 5", "5 ", "0x10",
                           "99999999999999999999", "604801"}) {
    EXPECT_EQ(told({{"x-stainless-timeout", text}}), std::nullopt) << text;
  }
  for (const char* text : {"", "S", "5", "5s", "123456789S", "-5S", "5.5S", "+5S"}) {
    EXPECT_EQ(told({{"grpc-timeout", text}}), std::nullopt) << text;
  }
  EXPECT_EQ(told({{"grpc-timeout", "1n"}}), milliseconds(1));
}

}  // namespace
}  // namespace tollgate::pipeline
