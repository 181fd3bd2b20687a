// Reads and makes journals for tests. Tests only.
#pragma once

#include <string>
#include <vector>

#include "base/crc32c.h"
#include "session/frames.h"
#include "session/journal.h"

namespace mft::session {

inline std::vector<v1::Event> all_events(const std::string& path) {
  std::vector<v1::Event> events;
  if (!stat_path(path)) return events;
  const File file = File::open_read(path);
  scan_journal(file, file.size(), nullptr,
               [&](const v1::Event& event, std::string_view) { events.push_back(event); });
  return events;
}

inline void append_journal_frame(std::string& out, const v1::Event& event) {
  std::string frame;
  append_frame(frame, event.SerializeAsString());
  std::uint32_t crc = crc32c(frame.data(), frame.size());
  for (int i = 0; i < 4; ++i, crc >>= 8) frame.push_back(static_cast<char>(crc & 0xff));
  out += frame;
}

}  // namespace mft::session
