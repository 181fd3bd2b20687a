// Varint-delimited framing, as protobuf's writeDelimitedTo: a base-128 length, then that many bytes. Used on
// the socket, on stdout and (with a checksum behind each frame) in the journal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mft::session {

inline constexpr std::size_t kFrameLimit = std::size_t{1} << 20;  // no frame's payload is larger
inline constexpr std::size_t kEventLimit = kFrameLimit - 8;       // of an event: as a DeviceFrame it is a bit longer
inline constexpr std::size_t kMaxHead = 4;                        // bytes of a length

void append_length(std::string& to, std::size_t length);
// Failure session.frame-too-large over the limit.
void append_frame(std::string& to, std::string_view payload);

struct FrameHead {
  std::size_t length = 0;  // of the payload
  std::size_t bytes = 0;   // of the head itself
};
// Absent: more bytes are needed. Failure session.malformed: no length, or one over the limit.
std::optional<FrameHead> read_head(std::string_view data);

// DeviceFrame { event = payload }, framed, without parsing the payload.
void append_event_frame(std::string& to, std::string_view event);

}  // namespace mft::session
