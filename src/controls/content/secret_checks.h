// What the characters of a secret must be beyond their alphabet: a checksum, a structure, or drawn
// at random. Internal to content.
//
// Pure. Linear in the characters.
#pragma once

#include "controls/content/secrets.h"

namespace tollgate::content {

// Whether what stands behind the anchor (or before it) looks drawn at random: 3 bits of Shannon
// entropy a character, no four same ones in a row, none of the words that placeholders are made of.
bool is_random(const Parts& parts);
bool is_random_before(const Parts& parts);
// The first line of a key that is written in base64: it may hold many zeros.
bool is_key_line(const Parts& parts);
// As is_random, with digits and letters of both cases, or with letters of both cases.
bool is_mixed(const Parts& parts);
bool is_mixed_case(const Parts& parts);

// GitHub and npm: the last six of 36 are the CRC-32 of the first thirty, in base 62. Longer ones
// are of a form without.
bool ends_in_crc(const Parts& parts);
// Bech32 (BIP 173) of "age-secret-key-" and the characters.
bool is_age_key(const Parts& parts);
// Three parts, of which the first is a JSON object that names an algorithm.
bool is_json_web_token(const Parts& parts);
bool is_tollgate_key(const Parts& parts);
bool is_azure_client_secret(const Parts& parts);
bool is_fine_grained_token(const Parts& parts);
bool is_grafana_token(const Parts& parts);
bool is_openai_key(const Parts& parts);
bool ends_in_aa(const Parts& parts);
bool is_slack_token(const Parts& parts);
bool is_sendgrid_key(const Parts& parts);

}  // namespace tollgate::content
