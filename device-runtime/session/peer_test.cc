#include "session/peer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "session/frames.h"

namespace mft::session {
namespace {

class PeerTest : public testing::Test {
 protected:
  PeerTest() : journal(folder / "journal"), shared{&journal, &inbox, token, "0.1.0"} {
    journal.begin_attempt(1);
  }

  void emit(int count) {
    for (int i = 0; i < count; ++i) {
      v1::Event event;
      event.mutable_step()->set_step(static_cast<std::uint32_t>(++steps));
      journal.emit(event);
    }
  }
  static std::string framed(const v1::HostFrame& frame) {
    std::string out;
    append_frame(out, frame.SerializeAsString());
    return out;
  }
  std::string hello(Position last = {}) const {
    v1::HostFrame frame;
    frame.mutable_hello()->set_protocol_major(1);
    frame.mutable_hello()->set_token(token);
    frame.mutable_hello()->set_client("test");
    if (last.attempt != 0) {
      frame.mutable_hello()->mutable_last()->set_attempt(last.attempt);
      frame.mutable_hello()->mutable_last()->set_sequence(last.sequence);
    }
    return framed(frame);
  }
  static std::string control(std::uint64_t id) {
    v1::HostFrame frame;
    frame.mutable_control()->set_id(id);
    frame.mutable_control()->mutable_pause();
    return framed(frame);
  }
  // Everything the peer has to say now, taken from it.
  static std::vector<v1::DeviceFrame> drain(Peer& peer) {
    std::string out;
    for (;;) {
      peer.fill();
      if (peer.outgoing().empty()) break;
      out += peer.outgoing();
      peer.sent(peer.outgoing().size());
    }
    std::vector<v1::DeviceFrame> frames;
    for (std::string_view rest = out; !rest.empty();) {
      const auto head = read_head(rest);
      v1::DeviceFrame frame;
      EXPECT_TRUE(frame.ParseFromArray(rest.data() + head->bytes, static_cast<int>(head->length)));
      frames.push_back(frame);
      rest.remove_prefix(head->bytes + head->length);
    }
    return frames;
  }
  void expect_refused(const std::string& bytes, v1::Refused::Reason reason) {
    Peer peer(shared);
    peer.receive(bytes);
    EXPECT_EQ(peer.state(), Peer::State::kRefused);
    const std::vector<v1::DeviceFrame> frames = drain(peer);
    ASSERT_FALSE(frames.empty());
    EXPECT_EQ(frames.back().refused().reason(), reason);
    EXPECT_FALSE(frames.back().refused().message().empty());
    // Nothing that follows has an effect.
    peer.receive(hello() + control(1));
    EXPECT_TRUE(drain(peer).empty());
    EXPECT_FALSE(inbox.take());
  }

  const std::string token = std::string(32, '\x5a');
  TestFolder folder;
  Journal journal;
  train::ControlInbox inbox;
  Peer::Shared shared;
  int steps = 0;
};

TEST_F(PeerTest, WelcomesReplaysAndGoesOnLive) {
  emit(3);
  Peer peer(shared);
  peer.receive(hello());
  std::vector<v1::DeviceFrame> frames = drain(peer);
  ASSERT_EQ(frames.size(), 4u);
  EXPECT_EQ(frames[0].welcome().journal_last().sequence(), 3u);
  EXPECT_EQ(frames[0].welcome().runtime_version(), "0.1.0");
  EXPECT_FALSE(frames[0].welcome().host_ahead());
  EXPECT_EQ(frames[1].event().step().step(), 1u);
  EXPECT_TRUE(peer.up_to_date());
  emit(2);
  EXPECT_FALSE(peer.up_to_date());
  frames = drain(peer);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[1].event().id().sequence(), 5u);
}

TEST_F(PeerTest, ReplaysOnlyWhatIsMissing) {
  emit(5);
  Peer peer(shared);
  peer.receive(hello({1, 3}));
  const std::vector<v1::DeviceFrame> frames = drain(peer);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[1].event().id().sequence(), 4u);
}

TEST_F(PeerTest, TellsAHostThatIsAheadAndSkipsNothingNew) {
  emit(5);
  journal.begin_attempt(3);
  emit(2);
  Peer tail_lost(shared);
  tail_lost.receive(hello({1, 9}));
  std::vector<v1::DeviceFrame> frames = drain(tail_lost);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_TRUE(frames[0].welcome().host_ahead());
  EXPECT_EQ(frames[0].welcome().attempt_ends_size(), 2);
  EXPECT_EQ(position_of(frames[1].event().id()), (Position{3, 1}));

  Peer attempt_lost(shared);
  attempt_lost.receive(hello({2, 4}));
  frames = drain(attempt_lost);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_TRUE(frames[0].welcome().host_ahead());

  Peer all_lost(shared);
  all_lost.receive(hello({8, 1}));
  frames = drain(all_lost);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_TRUE(frames[0].welcome().host_ahead());
  journal.begin_attempt(9);
  emit(1);
  EXPECT_EQ(drain(all_lost).size(), 1u);
}

TEST_F(PeerTest, AnEmptyJournalIsNoProblem) {
  Peer peer(shared);
  peer.receive(hello());
  const std::vector<v1::DeviceFrame> frames = drain(peer);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_FALSE(frames[0].welcome().has_journal_last());
}

TEST_F(PeerTest, TakesBytesInAnyPieces) {
  emit(1);
  const std::string bytes = hello() + control(5) + control(6);
  for (std::size_t piece = 1; piece < 9; ++piece) {
    Peer peer(shared);
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      peer.receive(std::string_view(bytes).substr(at, piece));
    }
    EXPECT_EQ(drain(peer).size(), 2u);
    EXPECT_EQ(inbox.take()->id(), 5u);
    EXPECT_EQ(inbox.take()->id(), 6u);
    EXPECT_FALSE(inbox.take());
  }
}

TEST_F(PeerTest, AnswersPings) {
  Peer peer(shared);
  v1::HostFrame ping;
  ping.mutable_ping()->set_nonce(77);
  peer.receive(hello() + framed(ping));
  EXPECT_EQ(drain(peer).back().pong().nonce(), 77u);
}

TEST_F(PeerTest, RefusesAWrongToken) {
  for (const std::string& bad : {std::string(32, '\x5b'), std::string(), token.substr(0, 31), token + "x"}) {
    v1::HostFrame frame;
    frame.mutable_hello()->set_protocol_major(1);
    frame.mutable_hello()->set_token(bad);
    expect_refused(framed(frame), v1::Refused::REASON_TOKEN);
  }
}

TEST_F(PeerTest, RefusesAnotherMajorWhateverTheToken) {
  v1::HostFrame frame;
  frame.mutable_hello()->set_protocol_major(2);
  frame.mutable_hello()->set_token(token);
  expect_refused(framed(frame), v1::Refused::REASON_PROTOCOL);
}

TEST_F(PeerTest, TakesAnotherMinorAndUnknownFields) {
  v1::HostFrame frame;
  frame.mutable_hello()->set_protocol_major(1);
  frame.mutable_hello()->set_protocol_minor(9);
  frame.mutable_hello()->set_token(token);
  std::string payload = frame.SerializeAsString();
  payload += std::string("\x9a\x06\x02hi", 5);  // field 99 of HostFrame
  std::string bytes;
  append_frame(bytes, payload);
  append_frame(bytes, std::string("\x9a\x06\x02hi", 5));  // a frame of a kind that is not known here
  Peer peer(shared);
  peer.receive(bytes);
  EXPECT_EQ(peer.state(), Peer::State::kStreaming);
}

TEST_F(PeerTest, RefusesWhatIsMalformed) {
  expect_refused(control(1), v1::Refused::REASON_MALFORMED);            // no Hello before it
  expect_refused(hello() + hello(), v1::Refused::REASON_MALFORMED);     // a second one
  expect_refused(hello() + control(0), v1::Refused::REASON_MALFORMED);  // no id
  expect_refused(std::string("\x03\xff\xff\xff", 4), v1::Refused::REASON_MALFORMED);
  expect_refused(std::string("\xff\xff\xff\x7f", 4), v1::Refused::REASON_MALFORMED);  // a huge frame
  expect_refused(std::string("\x81\x80\x40", 3), v1::Refused::REASON_MALFORMED);      // 1 MiB and a byte
  expect_refused(std::string("\xff\xff\xff\xff\xff", 5), v1::Refused::REASON_MALFORMED);
  expect_refused("GET / HTTP/1.1\r\nHost: phone\r\n\r\n" + std::string(200, 'x'),
                 v1::Refused::REASON_MALFORMED);
}

TEST_F(PeerTest, RefusesAFloodOfControls) {
  std::string bytes = hello();
  for (std::uint64_t id = 1; id <= train::ControlInbox::kLimit + 1; ++id) bytes += control(id);
  Peer peer(shared);
  peer.receive(bytes);
  EXPECT_EQ(peer.state(), Peer::State::kRefused);
}

TEST_F(PeerTest, GarbageNeverCrashesNorPasses) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = round % 2 == 0 ? hello() + control(1) : std::string();
    for (int i = 0; i < 40; ++i) bytes.push_back(static_cast<char>(random()));
    if (round % 2 == 0) bytes[random() % bytes.size()] = static_cast<char>(random());
    Peer peer(shared);
    peer.receive(bytes);
    drain(peer);
    while (inbox.take()) {
    }
    if (round % 2 == 1) {
      EXPECT_NE(peer.state(), Peer::State::kStreaming);
    }
  }
}

TEST_F(PeerTest, HoldsABoundedNumberOfBytesForAHostThatDoesNotRead) {
  emit(20'000);
  Peer peer(shared);
  peer.receive(hello());
  peer.fill();
  const std::size_t held = peer.outgoing().size();
  EXPECT_GT(held, 60'000u);
  EXPECT_LT(held, 70'000u);
  v1::HostFrame ping;
  ping.mutable_ping()->set_nonce(1);
  while (peer.wants_input()) peer.receive(framed(ping));
  EXPECT_LT(peer.outgoing().size(), 300'000u);
  EXPECT_GT(drain(peer).size(), 20'000u);
  EXPECT_TRUE(peer.wants_input());
}

TEST(Token, IsComparedWhole) {
  EXPECT_TRUE(same_token("abc", "abc"));
  EXPECT_FALSE(same_token("abc", "abd"));
  EXPECT_FALSE(same_token("abc", "xbc"));
  EXPECT_FALSE(same_token("abc", "ab"));
  EXPECT_TRUE(same_token("", ""));
}

}  // namespace
}  // namespace mft::session
