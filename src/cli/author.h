// Who is accountable for what a command changes.
#pragma once

#include "storage/changes.h"

namespace tollgate::cli {

// The user of the operating system whose process this is, by name. Behind sudo it is known who
// called it as far as sudo says so: "root (SUDO_USER alice)".
storage::Author command_author();

}  // namespace tollgate::cli
