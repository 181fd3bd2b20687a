// Sockets in Linux's abstract namespace (unix(7)): a name without a file, gone with its last owner. adb
// reaches them as localabstract:NAME.
#pragma once

#include <string>

#include "base/file.h"

namespace mft::session {

// "mft-<run>", with MFT_SOCKET_PREFIX before it: virtual phones share one machine's names.
std::string socket_name(const std::string& run_id);

// Non-blocking. Failure session.socket (also when another process listens there).
Fd listen_abstract(const std::string& name);
// Blocking. Failure session.socket.
Fd connect_abstract(const std::string& name);

}  // namespace mft::session
