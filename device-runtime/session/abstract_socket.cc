#include "session/abstract_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace mft::session {
namespace {

struct Address {
  struct sockaddr_un value{};
  socklen_t bytes = 0;
};

Address address_of(const std::string& name) {
  Address address;
  address.value.sun_family = AF_UNIX;
  if (name.empty() || name.size() > sizeof address.value.sun_path - 1) {
    throw Failure("session.socket", "socket name '" + name + "' is too long");
  }
  std::memcpy(address.value.sun_path + 1, name.data(), name.size());  // the 0 before it makes it abstract
  address.bytes = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

[[noreturn]] void fail(const std::string& action, const std::string& name) {
  throw Failure("session.socket", "can't " + action + " the socket @" + name + ": " + std::strerror(errno));
}

}  // namespace

std::string socket_name(const std::string& run_id) {
  const char* prefix = std::getenv("MFT_SOCKET_PREFIX");
  return (prefix != nullptr ? prefix : "") + ("mft-" + run_id);
}

Fd listen_abstract(const std::string& name) {
  const Address address = address_of(name);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) fail("make", name);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.value), address.bytes) != 0)
    fail("bind", name);
  if (::listen(fd.get(), 16) != 0) fail("listen on", name);
  return fd;
}

Fd connect_abstract(const std::string& name) {
  const Address address = address_of(name);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) fail("make", name);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.value), address.bytes) != 0)
    fail("connect to", name);
  return fd;
}

}  // namespace mft::session
