// What a target is sent of an alert: a webhook signed as Standard Webhooks are, Slack's form of an
// incoming webhook, or the API v2 of an Alertmanager; or a mail.
//
// Sources: standardwebhooks.com, "Standard Webhooks" 1.0 (the headers webhook-id, -timestamp and
// -signature; HMAC-SHA-256 over "ID.SECONDS.BODY"; `whsec_` before a secret in Base64);
// prometheus.io/docs/alerting/latest/alerts_api.
//
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "controls/alerts/policy.h"
#include "controls/alerts/watch.h"

namespace tollgate::alerts {

// What was done about the subject of an alert, for the words of it.
struct Done {
  Action action = Action::kNone;
  WallTime until{};  // The epoch: until it is released.
};

struct Message {
  std::string url;
  std::string headers;  // Further lines, each "name: value\r\n".
  std::string body;     // JSON.
};
// `id` is the same for each try; `now` is when this one is made.
Message message_to(const Target& target, std::string_view id, const Alert& alert, const Done& done,
                   WallTime now);

// The whole of a mail: a head of our own words alone, in ASCII, and what is told as Base64 of
// UTF-8, so that no subject can add to either (CWE-93). `at` is when this try is made. Sources: RFC
// 5322 (the head), RFC 2045 (Base64), RFC 3834 (Auto-Submitted).
std::string mail_of(const Email& email, std::string_view id, const Alert& alert, const Done& done,
                    WallTime at);

// "v1,BASE64"
std::string signature_of(std::string_view secret, std::string_view id, std::int64_t seconds,
                         std::string_view body);

}  // namespace tollgate::alerts
