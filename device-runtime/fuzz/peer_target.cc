// What a host, or something that is none, sends to a run's socket. First byte: how long the pieces are that it
// comes in.
#include "base/test_folder.h"
#include "fuzz/target.h"
#include "session/frames.h"
#include "session/peer.h"

namespace mft::fuzz {
namespace {

constexpr std::size_t kMostWaiting = std::size_t{4} << 20;  // frames' limits and the peer's own, with room

constexpr std::string_view kToken = "tttttttttttttttttttttttttttttttt";

// Everything the peer has to say, checked to be frames of the protocol.
void drain(session::Peer& peer) {
  for (;;) {
    peer.fill();
    const std::string_view out = peer.outgoing();
    if (out.empty()) return;
    require(out.size() <= kMostWaiting, "too much waits to be sent");
    const auto head = session::read_head(out);
    require(head.has_value() && head->bytes + head->length <= out.size(), "half a frame is sent");
    v1::DeviceFrame frame;
    require(frame.ParseFromArray(out.data() + head->bytes, static_cast<int>(head->length)), "not a DeviceFrame");
    require(frame.frame_case() != v1::DeviceFrame::FRAME_NOT_SET, "an empty frame");
    peer.sent(head->bytes + head->length);
  }
}

void run(std::string_view bytes) {
  static const TestFolder folder;
  static session::Journal* const journal = [] {
    auto* made = new session::Journal(folder / "journal");
    made->begin_attempt(1);
    for (std::uint32_t step = 1; step <= 3; ++step) {
      v1::Event event;
      event.mutable_step()->set_step(step);
      made->emit(event);
    }
    return made;
  }();
  train::ControlInbox inbox;
  const session::Peer::Shared shared{journal, &inbox, std::string(kToken), "0.1.0"};
  session::Peer peer(shared);
  Input input(bytes);
  const std::size_t piece = 1 + std::size_t{input.byte()} * 16;
  while (!input.rest().empty()) {
    peer.receive(input.take(piece));
    drain(peer);
  }
  if (bytes.find(kToken) == std::string_view::npos) require(!inbox.take(), "a stranger's control is taken");
}

const Registration kTarget("peer", run);

}  // namespace
}  // namespace mft::fuzz
