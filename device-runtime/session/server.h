// The run's socket: one thread, one poll loop, several hosts at once. Nothing here waits for a host, and
// training waits for nothing here.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <thread>

#include "base/file.h"
#include "session/journal.h"
#include "session/peer.h"
#include "train/control_inbox.h"

namespace mft::session {

class Server {
 public:
  static constexpr std::size_t kMaxPeers = 16;
  static constexpr std::chrono::milliseconds kHelloLimit{10'000};  // for a whole Hello
  static constexpr std::chrono::milliseconds kCloseLimit{2'000};   // for a refused host to hang up

  // Listens on the abstract socket at once; hosts are served from start() on. The journal and the inbox
  // outlive it.
  Server(const std::string& socket, Journal& journal, train::ControlInbox& inbox, std::string token,
         std::string runtime_version);
  ~Server();  // finish() with no time; nobody may append to the journal meanwhile

  // Also watches this descriptor in its loop: `readable` is called from the server's thread. Before start().
  void watch(int fd, std::function<void()> readable);
  void start();
  // The run has ended: serves those who are attached until they have everything, at most so long. Ends the
  // thread.
  void finish(std::chrono::milliseconds limit);

 private:
  struct Connection {
    Fd fd;
    Peer peer;
    std::uint64_t deadline_ms = 0;  // 0: none
    bool input_ended = false;
    bool output_shut = false;
  };

  void loop();
  int poll_timeout_ms(std::uint64_t now) const;
  void accept_new();
  void count_hosts();
  // False: the connection is over.
  bool serve(Connection& connection, short events, std::uint64_t now);
  bool read_from(Connection& connection);
  bool write_to(Connection& connection);

  Peer::Shared shared_;
  Fd listener_;
  Journal* journal_;
  Fd wake_;  // eventfd
  int watched_ = -1;
  std::function<void()> readable_;
  std::list<Connection> connections_;
  std::size_t hosts_ = 0;  // connections that have said who they are and may still ask for something
  std::atomic<std::uint64_t> finish_by_ms_{0};  // monotonic; 0: not asked
  std::thread thread_;
};

}  // namespace mft::session
