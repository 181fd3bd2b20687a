#include "session/server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "session/abstract_socket.h"

namespace mft::session {
namespace {

constexpr std::size_t kReadPiece = 64 * 1024;
constexpr int kSendsAtOnce = 16;  // then the next host has its turn

std::uint64_t now_ms() { return monotonic_us() / 1000; }

void ring(int eventfd) {
  const std::uint64_t one = 1;
  // It can only fail when the counter is full, and then the loop is awake already.
  const ssize_t ignored = ::write(eventfd, &one, sizeof one);
  (void)ignored;
}

}  // namespace

Server::Server(const std::string& socket, Journal& journal, train::ControlInbox& inbox, std::string token,
               std::string runtime_version)
    : shared_{&journal, &inbox, std::move(token), std::move(runtime_version)},
      listener_(listen_abstract(socket)),
      journal_(&journal),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) fail_io("make", "an eventfd", errno);
  journal.on_append([fd = wake_.get()] { ring(fd); });
}

Server::~Server() {
  finish(std::chrono::milliseconds(0));
  journal_->on_append({});
}

void Server::watch(int fd, std::function<void()> readable) {
  watched_ = fd;
  readable_ = std::move(readable);
}

void Server::start() {
  thread_ = std::thread([this] { loop(); });
}

void Server::finish(std::chrono::milliseconds limit) {
  if (!thread_.joinable()) return;
  finish_by_ms_ = now_ms() + static_cast<std::uint64_t>(limit.count());
  ring(wake_.get());
  thread_.join();
}

int Server::poll_timeout_ms(std::uint64_t now) const {
  std::uint64_t first = finish_by_ms_;
  for (const Connection& connection : connections_) {
    if (connection.deadline_ms == 0) continue;
    first = first == 0 ? connection.deadline_ms : std::min(first, connection.deadline_ms);
  }
  if (first == 0) return -1;
  return first <= now ? 0 : static_cast<int>(std::min<std::uint64_t>(first - now, 60'000));
}

void Server::loop() {
  std::vector<struct pollfd> polled;
  std::vector<Connection*> order;
  for (;;) {
    std::uint64_t now = now_ms();
    const std::uint64_t finish_by = finish_by_ms_;
    if (finish_by != 0 && (connections_.empty() || now >= finish_by)) return;

    polled = {{wake_.get(), POLLIN, 0},
              {connections_.size() < kMaxPeers ? listener_.get() : -1, POLLIN, 0},
              {watched_, POLLIN, 0}};
    order.clear();
    for (Connection& connection : connections_) {
      short events = 0;
      if (!connection.input_ended && connection.peer.wants_input()) events |= POLLIN;
      if (connection.peer.has_output()) events |= POLLOUT;
      polled.push_back({connection.fd.get(), events, 0});
      order.push_back(&connection);
    }
    if (::poll(polled.data(), polled.size(), poll_timeout_ms(now)) < 0 && errno != EINTR) {
      log_line(std::string("poll: ") + std::strerror(errno));
      return;
    }
    now = now_ms();
    if ((polled[0].revents & POLLIN) != 0) {
      std::uint64_t count;
      const ssize_t ignored = ::read(wake_.get(), &count, sizeof count);
      (void)ignored;
    }
    if ((polled[2].revents & POLLIN) != 0) readable_();
    for (std::size_t i = 0; i < order.size(); ++i) {
      bool alive = false;
      try {
        alive = serve(*order[i], polled[i + 3].revents, now);
      } catch (const std::exception& error) {
        log_line(std::string("lost a host: ") + error.what());
      }
      if (!alive) connections_.remove_if([&](const Connection& c) { return &c == order[i]; });
    }
    if ((polled[1].revents & POLLIN) != 0) accept_new();
    count_hosts();
  }
}

void Server::count_hosts() {
  const auto hosts = static_cast<std::size_t>(std::ranges::count_if(connections_, [](const Connection& c) {
    return c.peer.state() == Peer::State::kStreaming && !c.input_ended;
  }));
  if (hosts == hosts_) return;
  hosts_ = hosts;
  shared_.inbox->set_hosts(hosts);
}

void Server::accept_new() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;  // whoever it was has gone again
  connections_.push_back(Connection{std::move(fd), Peer(shared_),
                                    now_ms() + static_cast<std::uint64_t>(kHelloLimit.count()), false,
                                    false});
}

bool Server::serve(Connection& connection, short events, std::uint64_t now) {
  if ((events & (POLLERR | POLLNVAL)) != 0) return false;
  const Peer::State before = connection.peer.state();
  if ((events & (POLLIN | POLLHUP)) != 0 && !connection.input_ended && !read_from(connection)) return false;
  if ((events & POLLHUP) != 0 && connection.input_ended) return false;  // both directions are gone

  Peer& peer = connection.peer;
  if (peer.state() != before) {
    const bool refused = peer.state() == Peer::State::kRefused;
    connection.deadline_ms = refused ? now + static_cast<std::uint64_t>(kCloseLimit.count()) : 0;
    if (!refused) log_line("attached: " + peer.client());
  }
  if (!write_to(connection)) return false;

  const bool last_word = peer.state() == Peer::State::kRefused || finish_by_ms_ != 0;
  if (last_word && peer.up_to_date() && !connection.output_shut) {
    (void)::shutdown(connection.fd.get(), SHUT_WR);  // fails only if the host is gone, which is seen next
    connection.output_shut = true;
  }
  if (connection.output_shut && connection.input_ended) return false;
  return connection.deadline_ms == 0 || now < connection.deadline_ms;
}

bool Server::read_from(Connection& connection) {
  char piece[kReadPiece];
  const ssize_t n = ::recv(connection.fd.get(), piece, sizeof piece, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) {
    connection.input_ended = true;
    // A host may close its sending side and go on listening, but only once it has said who it is.
    return connection.peer.state() != Peer::State::kHello;
  }
  if (connection.peer.state() != Peer::State::kRefused) {
    connection.peer.receive(std::string_view(piece, static_cast<std::size_t>(n)));
  }
  return true;
}

bool Server::write_to(Connection& connection) {
  for (int turn = 0; turn < kSendsAtOnce; ++turn) {
    connection.peer.fill();
    const std::string_view out = connection.peer.outgoing();
    if (out.empty()) return true;
    const ssize_t n = ::send(connection.fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    connection.peer.sent(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace mft::session
