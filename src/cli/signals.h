// The signals of the process, taken one after another by the main thread.
//
// Blocked in every thread that is started after block(), so none of them interrupts a loop.
#pragma once

#include <cstdint>

#include "base/units.h"

namespace tollgate::cli {

enum class Signal : std::uint8_t {
  kNone,    // Nothing came within the time.
  kStop,    // SIGTERM, SIGINT: drain.
  kReload,  // SIGHUP.
};

// Blocks the signals that wait_signal() takes, and ignores SIGPIPE: a write to a caller that is
// gone is an error code. Call it first, before any thread starts.
void block_signals();

// The next signal, or kNone after `time`.
Signal wait_signal(Duration time);

// Tells the service manager about this process where $NOTIFY_SOCKET names one (sd_notify(3)):
// "READY=1", "RELOADING=1", "STOPPING=1".
void notify_service_manager(const char* state);

}  // namespace tollgate::cli
