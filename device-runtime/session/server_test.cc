#include "session/server.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/test_folder.h"
#include "session/test_client.h"

namespace mft::session {
namespace {

class ServerTest : public testing::Test {
 protected:
  ServerTest()
      : socket("mft-server-test-" + std::to_string(::getpid())),
        journal(folder / "journal"),
        server(std::make_unique<Server>(socket, journal, inbox, token, "0.1.0")) {
    journal.begin_attempt(1);
  }
  void emit(int count, std::size_t bytes = 0) {
    for (int i = 0; i < count; ++i) {
      v1::Event event;
      event.mutable_warning()->set_code("test");
      event.mutable_warning()->set_message(std::string(bytes, 'x'));
      journal.emit(event);
    }
  }
  // Reads the Welcome and `count` events, and sees that none is missing.
  void expect_events(TestClient& client, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count;) {
      const auto frame = client.next();
      ASSERT_TRUE(frame) << "after " << i << " events";
      if (!frame->has_event()) continue;
      ASSERT_EQ(frame->event().id().sequence(), first + i);
      ++i;
    }
  }

  const std::string token = std::string(32, '\x11');
  std::string socket;
  TestFolder folder;
  train::ControlInbox inbox;
  Journal journal;
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, ServesSeveralHostsAtOnce) {
  server->start();
  emit(10);
  TestClient a(socket), b(socket);
  a.hello(token);
  b.hello(token, {1, 5});
  expect_events(a, 1, 10);
  expect_events(b, 6, 5);
  emit(3);
  expect_events(a, 11, 3);
  expect_events(b, 11, 3);
}

TEST_F(ServerTest, AHostThatDoesNotReadHoldsUpNobody) {
  server->start();
  TestClient slow(socket), fast(socket);
  slow.hello(token);
  fast.hello(token);
  const std::uint64_t from = monotonic_us();
  emit(3000, 4000);  // 12 MB, far more than any socket's buffer
  const std::uint64_t took = monotonic_us() - from;
  expect_events(fast, 1, 3000);
  EXPECT_LT(took, 5'000'000u);
  expect_events(slow, 1, 3000);  // and it gets everything when it reads at last
}

TEST_F(ServerTest, PassesControlsOn) {
  server->start();
  TestClient client(socket);
  client.hello(token);
  v1::Control control;
  control.set_id(3);
  control.mutable_checkpoint();
  client.control(control);
  inbox.wait();
  EXPECT_EQ(inbox.take()->id(), 3u);
}

TEST_F(ServerTest, TellsWhyItRefusesAndCloses) {
  server->start();
  emit(1);
  struct Case {
    std::string bytes;
    v1::Refused::Reason reason;
  };
  v1::HostFrame wrong_token, wrong_major;
  wrong_token.mutable_hello()->set_protocol_major(1);
  wrong_token.mutable_hello()->set_token("guess");
  wrong_major.mutable_hello()->set_protocol_major(7);
  const auto framed = [](const v1::HostFrame& frame) {
    std::string out;
    append_frame(out, frame.SerializeAsString());
    return out;
  };
  const Case cases[] = {{framed(wrong_token), v1::Refused::REASON_TOKEN},
                        {framed(wrong_major), v1::Refused::REASON_PROTOCOL},
                        {std::string(3'000'000, '\xff'), v1::Refused::REASON_MALFORMED},
                        {"SSH-2.0-OpenSSH_9.2\r\n" + std::string(100, 'a'), v1::Refused::REASON_MALFORMED}};
  for (const Case& c : cases) {
    TestClient client(socket);
    client.send(c.bytes);
    client.close_sending();
    const auto frame = client.next();
    ASSERT_TRUE(frame) << c.reason;
    EXPECT_EQ(frame->refused().reason(), c.reason);
    EXPECT_FALSE(client.next());
    EXPECT_TRUE(client.ended());
  }
  TestClient good(socket);
  good.hello(token);
  expect_events(good, 1, 1);
}

TEST_F(ServerTest, HasRoomForSomeHostsAndLetsTheNextInWhenOneLeaves) {
  server->start();
  emit(1);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (std::size_t i = 0; i < Server::kMaxPeers; ++i) {
    clients.push_back(std::make_unique<TestClient>(socket));
    clients.back()->hello(token);
    expect_events(*clients.back(), 1, 1);
  }
  TestClient next(socket);
  next.hello(token);
  EXPECT_FALSE(next.next(100));
  clients.pop_back();
  expect_events(next, 1, 1);
}

TEST_F(ServerTest, FinishesWhenEveryoneHasEverything) {
  server->start();
  TestClient client(socket);
  client.hello(token);
  ASSERT_TRUE(client.next());
  emit(2000, 1000);
  std::thread finishing([&] { server->finish(std::chrono::seconds(20)); });
  expect_events(client, 1, 2000);
  EXPECT_FALSE(client.next());
  EXPECT_TRUE(client.ended());
  client.close_sending();
  const std::uint64_t from = monotonic_us();
  finishing.join();
  EXPECT_LT(monotonic_us() - from, 3'000'000u);
}

TEST_F(ServerTest, DoesNotWaitForEverForAHostThatDoesNotRead) {
  server->start();
  TestClient client(socket);
  client.hello(token);
  ASSERT_TRUE(client.next());
  emit(3000, 4000);
  const std::uint64_t from = monotonic_us();
  server->finish(std::chrono::milliseconds(300));
  const std::uint64_t took = monotonic_us() - from;
  EXPECT_GE(took, 250'000u);
  EXPECT_LT(took, 2'000'000u);
}

TEST_F(ServerTest, WatchesAnotherDescriptor) {
  Fd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  std::atomic<int> called{0};
  server->watch(event.get(), [&] {
    std::uint64_t value;
    if (::read(event.get(), &value, sizeof value) == sizeof value) ++called;
  });
  server->start();
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(event.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  for (int i = 0; i < 500 && called == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(called, 1);
}

TEST_F(ServerTest, OneNameHasOneServer) {
  EXPECT_THROW(Server(socket, journal, inbox, token, "0.1.0"), Failure);
  EXPECT_THROW(connect_abstract(std::string(200, 'x')), Failure);
  EXPECT_THROW(connect_abstract(socket + "-absent"), Failure);
}

}  // namespace
}  // namespace mft::session
