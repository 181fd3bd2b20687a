// A host, as far as a test needs one: connects, says Hello, reads frames with a limit in time. Tests only.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "mft/v1/session.pb.h"
#include "session/abstract_socket.h"
#include "session/frames.h"
#include "session/journal.h"

namespace mft::session {

class TestClient {
 public:
  // Waits for the socket to be there.
  explicit TestClient(const std::string& socket, std::uint64_t limit_ms = 10'000) {
    const std::uint64_t by = monotonic_us() + limit_ms * 1000;
    for (;;) {
      try {
        fd_ = connect_abstract(socket);
        return;
      } catch (const Failure&) {
        if (monotonic_us() > by) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
  }

  void send(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::send(fd_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (n <= 0) return;  // the other side has closed: what it said is still to be read
      done += static_cast<std::size_t>(n);
    }
  }
  void send(const v1::HostFrame& frame) {
    std::string out;
    append_frame(out, frame.SerializeAsString());
    send(out);
  }
  void hello(const std::string& token, Position last = {}) {
    v1::HostFrame frame;
    frame.mutable_hello()->set_protocol_major(1);
    frame.mutable_hello()->set_token(token);
    if (last.attempt != 0) {
      frame.mutable_hello()->mutable_last()->set_attempt(last.attempt);
      frame.mutable_hello()->mutable_last()->set_sequence(last.sequence);
    }
    send(frame);
  }
  void control(const v1::Control& control) {
    v1::HostFrame frame;
    *frame.mutable_control() = control;
    send(frame);
  }

  // The next frame; absent at the end of the stream (ended() is then true) or when none comes in time.
  std::optional<v1::DeviceFrame> next(std::uint64_t limit_ms = 10'000) {
    const std::uint64_t by = monotonic_us() + limit_ms * 1000;
    for (;;) {
      const std::optional<FrameHead> head = read_head(in_);
      if (head && in_.size() >= head->bytes + head->length) {
        v1::DeviceFrame frame;
        if (!frame.ParseFromArray(in_.data() + head->bytes, static_cast<int>(head->length))) {
          throw Failure("test", "not a DeviceFrame");
        }
        in_.erase(0, head->bytes + head->length);
        return frame;
      }
      const std::uint64_t now = monotonic_us();
      if (ended_ || now >= by) return std::nullopt;
      struct pollfd polled = {fd_.get(), POLLIN, 0};
      if (::poll(&polled, 1, static_cast<int>((by - now) / 1000 + 1)) <= 0) continue;
      char piece[65536];
      const ssize_t n = ::recv(fd_.get(), piece, sizeof piece, 0);
      if (n <= 0) {
        ended_ = true;
      } else {
        in_.append(piece, static_cast<std::size_t>(n));
      }
    }
  }
  // Reads events until one is wanted; absent when the stream ends first.
  std::optional<v1::Event> until(const std::function<bool(const v1::Event&)>& wanted) {
    while (std::optional<v1::DeviceFrame> frame = next()) {
      if (frame->has_event() && wanted(frame->event())) return frame->event();
    }
    return std::nullopt;
  }
  bool ended() const { return ended_; }
  void close_sending() { (void)::shutdown(fd_.get(), SHUT_WR); }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  std::string in_;
  bool ended_ = false;
};

}  // namespace mft::session
