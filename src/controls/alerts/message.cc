#include "controls/alerts/message.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/check.h"
#include "base/json_writer.h"
#include "base/rfc3339.h"

namespace tollgate::alerts {

namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::string_view kAlertsPath = "/api/v2/alerts";

std::string base64(const unsigned char* bytes, std::size_t count) {
  std::string made((count + 2) / 3 * 4, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(made.data()), bytes, static_cast<int>(count));
  return made;
}

// The bytes that a secret stands for: those of its Base64 behind the prefix, else as it is written.
std::string key_of(std::string_view secret) {
  if (!secret.starts_with(kSecretPrefix)) return std::string(secret);
  const std::string_view text = secret.substr(kSecretPrefix.size());
  std::string made(text.size() / 4 * 3 + 3, '\0');
  const int count = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(made.data()),
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()));
  if (count < 0) return std::string(secret);
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  made.resize(static_cast<std::size_t>(count) - padding);
  return made;
}

std::string_view label_of(const Alert& alert) {
  return alert.scope == limits::Scope::kGlobal ? "about" : limits::name_of(alert.scope);
}

std::string done_words(const Done& done) {
  if (done.action == Action::kNone) return {};
  if (done.until == WallTime{}) {
    return fmt::format(" Done: {}, until it is released.", name_of(done.action));
  }
  return fmt::format(" Done: {}, until {}.", name_of(done.action), rfc3339(done.until));
}

std::string webhook_body(const Alert& alert, const Done& done) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.key("type");
  json.value(fmt::format("alert.{}", name_of(alert.when)));
  json.key("timestamp");
  json.value(rfc3339(alert.at));
  json.key("data");
  json.begin_object();
  json.key("rule");
  json.value(alert.rule);
  json.key("scope");
  json.value(limits::name_of(alert.scope));
  json.key("subject");
  json.value(alert.subject);
  if (!alert.tenant.empty()) {
    json.key("tenant");
    json.value(alert.tenant);
  }
  json.key("message");
  json.value(alert.message);
  json.key("done");
  json.value(name_of(done.action));
  if (done.until != WallTime{}) {
    json.key("until");
    json.value(rfc3339(done.until));
  }
  json.end_object();
  json.end_object();
  return body;
}

// `<`, `>` and `&` make links and mentions there; a subject is a caller's own word.
std::string slack_text(std::string_view text) {
  std::string made;
  for (const char c : text) {
    if (c == '&') {
      made += "&amp;";
    } else if (c == '<') {
      made += "&lt;";
    } else if (c == '>') {
      made += "&gt;";
    } else {
      made += c;
    }
  }
  return made;
}

std::string slack_body(const Alert& alert, const Done& done) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.key("text");
  json.value(slack_text(fmt::format("tollgate {} ({}): {}{}", name_of(alert.when), alert.rule,
                                    alert.message, done_words(done))));
  json.end_object();
  return body;
}

std::string alertmanager_body(const Alert& alert, const Done& done) {
  std::string body;
  JsonWriter json(body);
  json.begin_array();
  json.begin_object();
  json.key("labels");
  json.begin_object();
  json.key("alertname");
  json.value(fmt::format("tollgate_{}", name_of(alert.when)));
  json.key("rule");
  json.value(alert.rule);
  json.key(label_of(alert));
  json.value(alert.subject);
  json.end_object();
  json.key("annotations");
  json.begin_object();
  json.key("summary");
  json.value(alert.message + done_words(done));
  json.end_object();
  json.key("startsAt");
  json.value(rfc3339(alert.at));
  json.end_object();
  json.end_array();
  return body;
}

// On one line, whatever a caller is called.
std::string in_quotes(std::string_view text) {
  std::string made;
  JsonWriter(made).value(text);
  return made;
}

std::string mail_text(const Alert& alert, const Done& done) {
  std::string text = fmt::format("{}{}\r\n\r\n", in_quotes(alert.message), done_words(done));
  text +=
      fmt::format("condition: {}\r\nrule: {}\r\nscope: {}\r\nsubject: {}\r\n", name_of(alert.when),
                  alert.rule, limits::name_of(alert.scope), in_quotes(alert.subject));
  if (!alert.tenant.empty()) text += fmt::format("tenant: {}\r\n", in_quotes(alert.tenant));
  text += fmt::format("at: {}\r\n", rfc3339(alert.at));
  return text;
}

// "Fri, 27 Nov 2026 18:00:00 +0000"
std::string mail_date(WallTime time) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000",
      kDays.at(std::chrono::weekday(day).c_encoding()), static_cast<unsigned>(date.day()),
      kMonths.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace

std::string mail_of(const Email& email, std::string_view id, const Alert& alert, const Done& done,
                    WallTime at) {
  constexpr std::size_t kLine = 76;
  const std::string_view domain = std::string_view(email.from).substr(email.from.find('@') + 1);
  std::string made = fmt::format("Date: {}\r\nFrom: <{}>\r\nTo: ", mail_date(at), email.from);
  for (std::size_t i = 0; i < email.to.size(); ++i) {
    made += fmt::format("{}<{}>", i == 0 ? "" : ",\r\n ", email.to[i]);
  }
  made += fmt::format(
      "\r\nMessage-ID: <{}@{}>\r\nSubject: tollgate: {} ({})\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
      "Auto-Submitted: auto-generated\r\n\r\n",
      id, domain, name_of(alert.when), alert.rule);
  const std::string text = mail_text(alert, done);
  const std::string body = base64(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  for (std::size_t i = 0; i < body.size(); i += kLine) {
    made.append(body, i, kLine).append("\r\n");
  }
  return made;
}

std::string signature_of(std::string_view secret, std::string_view id, std::int64_t seconds,
                         std::string_view body) {
  const std::string key = key_of(secret);
  const std::string content = fmt::format("{}.{}.{}", id, seconds, body);
  std::array<unsigned char, 32> mac{};
  std::size_t size = 0;
  CHECK(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
                  reinterpret_cast<const unsigned char*>(content.data()), content.size(),
                  mac.data(), mac.size(), &size) != nullptr);
  return "v1," + base64(mac.data(), mac.size());
}

Message message_to(const Target& target, std::string_view id, const Alert& alert, const Done& done,
                   WallTime now) {
  Message made;
  made.url = target.url.reveal();
  switch (target.kind) {
    case TargetKind::kWebhook: {
      made.body = webhook_body(alert, done);
      const std::int64_t seconds =
          std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
      made.headers =
          fmt::format("webhook-id: {}\r\nwebhook-timestamp: {}\r\nwebhook-signature: {}\r\n", id,
                      seconds, signature_of(target.secret.reveal(), id, seconds, made.body));
      break;
    }
    case TargetKind::kSlack:
      made.body = slack_body(alert, done);
      break;
    case TargetKind::kEmail:
      break;  // mail_of()
    case TargetKind::kAlertmanager:
      made.body = alertmanager_body(alert, done);
      if (!made.url.ends_with(kAlertsPath)) {
        while (made.url.ends_with('/')) made.url.pop_back();
        made.url += kAlertsPath;
      }
      break;
  }
  return made;
}

}  // namespace tollgate::alerts
