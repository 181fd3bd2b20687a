// The runtime's log: one line each on stderr, which a detached run sends to runs/<id>/log. For whoever looks
// for a defect; what a user must know is an event. Never training text, never the token.
#pragma once

#include <string>

namespace mft {

void log_line(const std::string& text);

}  // namespace mft
