// The parts of a form while it is being read: what the surfaces of forms share. Internal to
// dialects.
#pragma once

#include <string_view>

#include "dialects/form.h"
#include "dialects/request_reading.h"

namespace tollgate::dialects {

std::unexpected<Refusal> wrong_part(const FormPart& part, std::string_view expected);
// That is not known, or not with this value.
std::unexpected<Refusal> not_known(const FormPart& part);

// A text that the model reads.
Checked read_form_text(Reading& reading, const FormPart& part);
// A value that is handed on, where it is `sound`.
Checked carry_part(Reading& reading, const FormPart& part, bool is_sound,
                   std::string_view expected);

// A field of a request for the text of a recording, or for images made of others
// (request_form_images.cc); not `model`. Values are UTF-8.
Checked read_recording_part(Reading& reading, const FormPart& part);
Checked read_edit_part(Reading& reading, const FormPart& part);

// What an image that was read is sent as.
FormFile image_file(const FormPart& part);

}  // namespace tollgate::dialects
