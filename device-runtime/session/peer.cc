#include "session/peer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "session/frames.h"

namespace mft::session {
namespace {

constexpr std::size_t kFillTo = 64 * 1024;        // events waiting to be sent
constexpr std::size_t kAnswerLimit = 256 * 1024;  // with answers, before input is held back

// A text from the other side, as it may stand in a log.
std::string printable(std::string_view text) {
  std::string result;
  for (char c : text.substr(0, 80)) result.push_back(c >= ' ' && c <= '~' ? c : '?');
  return result;
}

}  // namespace

bool same_token(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;  // the length is no secret
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(
        difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  }
  return difference == 0;
}

void Peer::receive(std::string_view bytes) {
  in_.append(bytes);
  std::size_t begin = 0;
  try {
    while (state_ != State::kRefused) {
      const std::string_view rest = std::string_view(in_).substr(begin);
      const std::optional<FrameHead> head = read_head(rest);
      if (!head || rest.size() < head->bytes + head->length) break;
      v1::HostFrame frame;
      if (!frame.ParseFromArray(rest.data() + head->bytes, static_cast<int>(head->length))) {
        throw Failure("session.malformed", "a frame is not a HostFrame");
      }
      begin += head->bytes + head->length;
      take(frame);
    }
  } catch (const Failure& failure) {
    if (failure.code() != "session.malformed") throw;
    refuse(v1::Refused::REASON_MALFORMED, failure.what());
  }
  if (state_ == State::kRefused) begin = in_.size();
  in_.erase(0, begin);
}

void Peer::take(const v1::HostFrame& frame) {
  if (state_ == State::kHello) {
    if (!frame.has_hello()) throw Failure("session.malformed", "the first frame must be a Hello");
    return greet(frame.hello());
  }
  switch (frame.frame_case()) {
    case v1::HostFrame::kHello:
      throw Failure("session.malformed", "a second Hello");
    case v1::HostFrame::kControl:
      return control(frame.control());
    case v1::HostFrame::kPing: {
      v1::DeviceFrame answer;
      answer.mutable_pong()->set_nonce(frame.ping().nonce());
      return send(answer);
    }
    case v1::HostFrame::FRAME_NOT_SET:
      return;  // a newer host's frame: unknown fields pass
  }
}

void Peer::greet(const v1::Hello& hello) {
  if (hello.protocol_major() != kProtocolMajor) {
    return refuse(v1::Refused::REASON_PROTOCOL, "this runtime (" + shared_->runtime_version +
                                                    ") speaks protocol " + std::to_string(kProtocolMajor) +
                                                    ", the host speaks " +
                                                    std::to_string(hello.protocol_major()) +
                                                    "; use the version of mft that started the run");
  }
  if (!same_token(hello.token(), shared_->token)) {
    return refuse(v1::Refused::REASON_TOKEN, "the token is not this run's");
  }
  client_ = printable(hello.client());
  const Position has = hello.has_last() ? position_of(hello.last()) : Position{};
  const std::vector<Position> ends = shared_->journal->attempt_ends();

  v1::DeviceFrame answer;
  v1::Welcome& welcome = *answer.mutable_welcome();
  welcome.set_protocol_major(kProtocolMajor);
  welcome.set_protocol_minor(kProtocolMinor);
  welcome.set_runtime_version(shared_->runtime_version);
  for (const Position& end : ends) {
    v1::EventId& id = *welcome.add_attempt_ends();
    id.set_attempt(end.attempt);
    id.set_sequence(end.sequence);
  }
  if (!ends.empty()) *welcome.mutable_journal_last() = welcome.attempt_ends(welcome.attempt_ends_size() - 1);
  // The host has an event that the journal does not: the phone lost its tail. Positions order events of all
  // attempts, so "everything after what the host has" then starts with the next attempt by itself.
  const auto same =
      std::find_if(ends.begin(), ends.end(), [&](const Position& end) { return end.attempt == has.attempt; });
  welcome.set_host_ahead(has.attempt != 0 && (same == ends.end() || has.sequence > same->sequence));
  send(answer);
  reader_.emplace(shared_->journal->file(), shared_->journal->offset_after(has));
  state_ = State::kStreaming;
}

void Peer::control(const v1::Control& control) {
  if (control.id() == 0) throw Failure("session.malformed", "a control without an id");
  if (!shared_->inbox->push(control)) throw Failure("session.malformed", "too many controls at once");
}

void Peer::send(const v1::DeviceFrame& frame) { append_frame(out_, frame.SerializeAsString()); }

void Peer::refuse(v1::Refused::Reason reason, const std::string& message) {
  v1::DeviceFrame answer;
  answer.mutable_refused()->set_reason(reason);
  answer.mutable_refused()->set_message(message);
  send(answer);
  state_ = State::kRefused;
  reader_.reset();
  log_line("refused a host: " + message);
}

void Peer::fill() {
  if (!reader_) return;
  const std::uint64_t limit = shared_->journal->size();
  while (out_.size() - out_begin_ < kFillTo) {
    const JournalReader::Next next = reader_->next(limit);
    if (next == JournalReader::Next::kEnd) return;
    if (next == JournalReader::Next::kTorn) {
      throw Failure("journal.damaged", "the journal is damaged at byte " + std::to_string(reader_->offset()));
    }
    append_event_frame(out_, reader_->payload());
  }
}

void Peer::sent(std::size_t bytes) {
  out_begin_ += bytes;
  if (out_begin_ < out_.size() && out_begin_ < kFillTo) return;
  out_.erase(0, out_begin_);
  out_begin_ = 0;
}

bool Peer::wants_input() const {
  return state_ == State::kRefused || out_.size() - out_begin_ < kAnswerLimit;
}

bool Peer::has_output() const {
  return !outgoing().empty() || (reader_ && reader_->offset() < shared_->journal->size());
}

bool Peer::up_to_date() const { return state_ != State::kHello && !has_output(); }

}  // namespace mft::session
