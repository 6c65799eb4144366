#include "net/reachable.h"

#include <gtest/gtest.h>

#include <string_view>

namespace tollgate::net {
namespace {

using config::Addresses;

IpAddress at(std::string_view text) { return read_address(text).value(); }

TEST(Reachable, WhatIsInternalIsReachedOnlyWhereThatIsSaid) {
  for (const std::string_view inside :
       {"127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
        "0.0.0.0", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fc00::1", "fdff::1",
        "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"}) {
    EXPECT_FALSE(may_connect(Addresses::kPublic, at(inside))) << inside;
    EXPECT_TRUE(may_connect(Addresses::kInternalToo, at(inside))) << inside;
    EXPECT_TRUE(may_connect(Addresses::kAny, at(inside))) << inside;
  }
  for (const std::string_view outside : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "192.169.0.1",
                                         "2606:4700::1", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(may_connect(Addresses::kPublic, at(outside))) << outside;
  }
}

TEST(Reachable, NobodyIsSentToTheServicesOfACloudsMachine) {
  for (const std::string_view metadata :
       {"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "fd00:ec2::254",
        "fe80::1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:169.254.169.254"}) {
    EXPECT_FALSE(may_connect(Addresses::kInternalToo, at(metadata))) << metadata;
    EXPECT_FALSE(may_connect(Addresses::kPublic, at(metadata))) << metadata;
  }
}

}  // namespace
}  // namespace tollgate::net
