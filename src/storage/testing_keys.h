// All keys of a store, page by page. For tests.
#pragma once

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "storage/key_list.h"

namespace tollgate::storage {

inline std::vector<authentication::KeyRecord> all_keys(Database& database,
                                                       const KeyQuery& query = {},
                                                       WallTime now = {}) {
  std::vector<authentication::KeyRecord> all;
  std::string after;
  for (bool has_more = true; has_more;) {
    FaultOr<std::optional<KeyPage>> page = query_keys(database, query, 7, after, now);
    EXPECT_TRUE(page && *page);
    if (!page || !*page) break;
    for (authentication::KeyRecord& key : (*page)->keys) all.push_back(std::move(key));
    has_more = (*page)->has_more;
    if (has_more) after = all.back().id;
  }
  return all;
}

}  // namespace tollgate::storage
