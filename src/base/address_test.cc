#include "base/address.h"

#include <gtest/gtest.h>

#include <random>

namespace tollgate {
namespace {

TEST(Address, ReadsWhatItWrites) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "::1"}) {
    const auto read = read_address(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(format_address(*read), text);
  }
  EXPECT_EQ(read_address("::ffff:192.0.2.1"), read_address("192.0.2.1"));
}

TEST(Address, ReadsNothingElse) {
  for (const std::string_view text :
       {std::string_view(""), std::string_view("192.0.2"), std::string_view("192.0.2.256"),
        std::string_view("192.0.2.1 "), std::string_view(" 192.0.2.1"),
        std::string_view("192.0.2.1:80"), std::string_view("[::1]"), std::string_view("fe80::1%lo"),
        std::string_view("192.0.2.01"), std::string_view("0x7f000001"),
        std::string_view("127.0.0.1\0", 10), std::string_view("example.org"),
        std::string_view("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc")}) {
    EXPECT_FALSE(read_address(text)) << text;
  }
}

TEST(AddressRange, HoldsWhatBeginsWithItsBits) {
  struct Row {
    const char* range;
    const char* address;
    bool holds;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"10.0.0.0/8", "10.255.0.1", true},
           {"10.0.0.0/8", "11.0.0.1", false},
           {"10.0.0.0/8", "a00::", false},  // The same first byte in the other family.
           {"192.0.2.128/25", "192.0.2.127", false},
           {"192.0.2.128/25", "192.0.2.200", true},
           {"192.0.2.1", "192.0.2.1", true},
           {"192.0.2.1", "192.0.2.2", false},
           {"0.0.0.0/0", "203.0.113.9", true},
           {"0.0.0.0/0", "2001:db8::1", false},
           {"2001:db8::/33", "2001:db8:7fff::1", true},
           {"2001:db8::/33", "2001:db8:8000::1", false},
           {"::/0", "203.0.113.9", true},
       }) {
    SCOPED_TRACE(row.range);
    const auto range = read_address_range(row.range);
    ASSERT_TRUE(range);
    EXPECT_EQ(range->contains(*read_address(row.address)), row.holds) << row.address;
    EXPECT_EQ(format_address_range(*range), row.range);
  }
}

TEST(AddressRange, IsWrittenInOneWay) {
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08",
                           "10.0.0.0/8 ", "2001:db8::1/64", "::/129", "*", "", "/8"}) {
    EXPECT_FALSE(read_address_range(text)) << text;
  }
}

// For any address and prefix: the range holds the address, what differs beyond the prefix, and
// nothing that differs within it.
TEST(AddressRange, EndsAtItsPrefixForAnyAddress) {
  std::mt19937_64 random{11};
  for (int step = 0; step < 2000; ++step) {
    SCOPED_TRACE(step);
    AddressRange range;
    for (auto& byte : range.first.bytes) byte = static_cast<std::uint8_t>(random());
    range.bits = static_cast<int>(random() % 129);
    EXPECT_TRUE(range.contains(range.first));
    const auto bit = static_cast<int>(random() % 128);
    IpAddress other = range.first;
    other.bytes[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::uint8_t>(0x80 >> bit % 8);
    EXPECT_EQ(range.contains(other), bit >= range.bits);
  }
}

TEST(Address, IsCountedAsWhatASubscriberHas) {
  const auto same = [](std::string_view one, std::string_view other) {
    return subscriber_of(*read_address(one)) == subscriber_of(*read_address(other));
  };
  EXPECT_TRUE(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
  EXPECT_FALSE(same("2001:db8:1:2::1", "2001:db8:1:3::1"));
  EXPECT_FALSE(same("192.0.2.1", "192.0.2.2"));
  EXPECT_FALSE(same("::1", "192.0.2.1"));
  EXPECT_EQ(subscriber_of(*read_address("192.0.2.1")), *read_address("192.0.2.1"));
  EXPECT_EQ(subscriber_of(*read_address("2001:db8:1:2:3:4:5:6")), *read_address("2001:db8:1:2::"));
}

TEST(Address, IsCountedAsTheIpv4HostThatItStandsFor) {
  struct Row {
    const char* address;
    const char* counts_as;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"64:ff9b::192.0.2.1", "192.0.2.1"},
           {"64:ff9b::192.0.2.2", "192.0.2.2"},
           {"64:ff9b::ffff:ffff", "255.255.255.255"},
           // Bits between the prefix and the address: not of 64:ff9b::/96.
           {"64:ff9b::1:192.0.2.1", "64:ff9b::"},
           {"64:ff9b:0:1::192.0.2.1", "64:ff9b:0:1::"},
           // Local use (RFC 8215): a network like any other.
           {"64:ff9b:1::192.0.2.1", "64:ff9b:1::"},
           {"64:ff9b:1:2:3:4:5:6", "64:ff9b:1:2::"},
           {"2002:c000:201::1", "192.0.2.1"},
           {"2002:c000:201:ffff:1:2:3:4", "192.0.2.1"},
           {"2002:c000:202::1", "192.0.2.2"},
           {"2003:c000:201::1", "2003:c000:201::"},
           {"::ffff:192.0.2.1", "192.0.2.1"},
       }) {
    EXPECT_EQ(format_address(subscriber_of(*read_address(row.address))), row.counts_as)
        << row.address;
  }
}

}  // namespace
}  // namespace tollgate
