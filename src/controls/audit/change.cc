// The record of a change by those who administer.
#include "controls/audit/audit.h"
#include "controls/audit/hash.h"
#include "controls/audit/pen.h"

namespace tollgate::audit {

namespace {

template <std::size_t N>
void write_text(Pen& pen, const char (&member)[N], std::string_view value) {
  if (value.empty()) return;
  pen.literal(member);
  pen.text(value, kTextBytesMax);
}

template <std::size_t N>
void write_state(Pen& pen, const char (&member)[N], std::string_view json) {
  if (json.empty()) return;
  pen.literal(member);
  if (json.size() > kChangeTextBytesMax) {
    pen.json(told_by_hash(json));
  } else {
    pen.json(json);
  }
}

}  // namespace

std::string told_by_hash(std::string_view text) {
  std::string told = "{\"sha256\":\"";
  append_hex(sha256(text), told);
  return told.append("\",\"bytes\":").append(std::to_string(text.size())).append("}");
}

std::string visible(std::string_view text) {
  std::string shown;
  Pen pen(shown);
  pen.json(text);
  pen.finish();
  return shown;
}

void write(const ChangeRecord& change, std::string& out) {
  Pen pen(out);
  pen.literal("{\"id\":");
  pen.text(change.id, kTextBytesMax);
  pen.literal(",\"time\":");
  pen.time(change.time);
  pen.literal(",\"phase\":\"change\",\"actor\":{\"kind\":");
  pen.text(change.actor_kind, kTextBytesMax);
  write_text(pen, ",\"subject\":", change.subject);
  write_text(pen, ",\"credential_id\":", change.credential_id);
  write_text(pen, ",\"role\":", change.role);
  pen.literal("}");
  if (change.client_ip) write_text(pen, ",\"client_ip\":", format_address(*change.client_ip));
  pen.literal(",\"action\":");
  pen.text(change.action, kTextBytesMax);
  write_text(pen, ",\"object\":", change.object);
  write_text(pen, ",\"tenant\":", change.tenant);
  write_state(pen, ",\"before\":", change.before);
  write_state(pen, ",\"after\":", change.after);
  pen.literal("}");
  pen.finish();
}

}  // namespace tollgate::audit
