// One connected host: the protocol as a state machine over byte buffers, without sockets. It never holds more
// than a bounded number of bytes for a host that does not read: events wait in the journal, not in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mft/v1/session.pb.h"
#include "session/journal.h"
#include "session/journal_reader.h"
#include "train/control_inbox.h"

namespace mft::session {

inline constexpr std::uint32_t kProtocolMajor = 1;
inline constexpr std::uint32_t kProtocolMinor = 0;

// Takes as long for a wrong token as for the right one.
bool same_token(std::string_view a, std::string_view b);

class Peer {
 public:
  struct Shared {  // the same for all peers of a run
    const Journal* journal;
    train::ControlInbox* inbox;
    std::string token;
    std::string runtime_version;
  };

  explicit Peer(const Shared& shared) : shared_(&shared) {}

  enum class State {
    kHello,      // nothing but a Hello is taken
    kStreaming,  // events go out, controls come in
    kRefused,    // what is in the way out still goes, then the connection ends
  };
  State state() const { return state_; }

  // Bytes from the host. Answers are put in the outgoing buffer.
  void receive(std::string_view bytes);
  // Moves events from the journal to the outgoing buffer, up to its limit.
  void fill();

  std::string_view outgoing() const { return std::string_view(out_).substr(out_begin_); }
  void sent(std::size_t bytes);
  // False: the host does not read what it was sent; nothing more is taken from it until it does.
  bool wants_input() const;
  // There is something to send now, here or in the journal.
  bool has_output() const;
  // Everything that is in the journal has been sent.
  bool up_to_date() const;
  const std::string& client() const { return client_; }  // as it calls itself; untrusted, for the log

 private:
  void take(const v1::HostFrame& frame);
  void greet(const v1::Hello& hello);
  void control(const v1::Control& control);
  void send(const v1::DeviceFrame& frame);
  void refuse(v1::Refused::Reason reason, const std::string& message);

  const Shared* shared_;
  State state_ = State::kHello;
  std::string in_;
  std::string out_;
  std::size_t out_begin_ = 0;
  std::optional<JournalReader> reader_;
  std::string client_;
};

}  // namespace mft::session
