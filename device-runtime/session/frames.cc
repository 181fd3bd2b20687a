#include "session/frames.h"

#include <algorithm>

#include "base/error.h"

namespace mft::session {

void append_length(std::string& to, std::size_t length) {
  while (length > 0x7f) {
    to.push_back(static_cast<char>((length & 0x7f) | 0x80));
    length >>= 7;
  }
  to.push_back(static_cast<char>(length));
}

void append_frame(std::string& to, std::string_view payload) {
  if (payload.size() > kFrameLimit) {
    throw Failure("session.frame-too-large",
                  "a frame of " + std::to_string(payload.size()) + " bytes is over the limit");
  }
  append_length(to, payload.size());
  to.append(payload);
}

std::optional<FrameHead> read_head(std::string_view data) {
  FrameHead head;
  for (std::size_t i = 0; i < std::min(data.size(), kMaxHead); ++i) {
    const unsigned char byte = static_cast<unsigned char>(data[i]);
    head.length |= static_cast<std::size_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) != 0) continue;
    if (head.length > kFrameLimit) {
      throw Failure("session.malformed", "a frame of " + std::to_string(head.length) +
                                             " bytes is over the limit of " + std::to_string(kFrameLimit));
    }
    head.bytes = i + 1;
    return head;
  }
  if (data.size() >= kMaxHead) throw Failure("session.malformed", "malformed frame length");
  return std::nullopt;
}

void append_event_frame(std::string& to, std::string_view event) {
  constexpr char kEventTag = 3 << 3 | 2;  // DeviceFrame.event, length-delimited
  std::string head(1, kEventTag);
  append_length(head, event.size());
  append_length(to, head.size() + event.size());
  to.append(head);
  to.append(event);
}

}  // namespace mft::session
