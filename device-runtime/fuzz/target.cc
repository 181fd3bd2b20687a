#include "fuzz/target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "google/protobuf/stubs/logging.h"

namespace mft::fuzz {
namespace {

constexpr std::size_t kLongestMessage = 8192;  // room for a path of PATH_MAX, twice

bool begins_with_one_of(std::string_view code, std::string_view prefixes) {
  while (!prefixes.empty()) {
    const std::size_t space = prefixes.find(' ');
    if (code.starts_with(prefixes.substr(0, space))) return true;
    prefixes.remove_prefix(space == std::string_view::npos ? prefixes.size() : space + 1);
  }
  return false;
}

[[noreturn]] void give_up(const std::string& what) {
  (void)std::fprintf(stderr, "fuzz: %s%s%s\n", current_input.c_str(), current_input.empty() ? "" : ": ", what.c_str());
  std::abort();
}

void check_message(const Failure& failure) {
  const std::string_view message = failure.what();
  if (message.empty()) give_up("a failure without words, code " + failure.code());
  if (message.size() > kLongestMessage) give_up("an endless message, code " + failure.code());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) {
      give_up("control characters in a message, code " + failure.code());
    }
  }
}

}  // namespace

std::string current_input;

std::map<std::string, Target>& targets() {
  static std::map<std::string, Target> all = [] {
    google::protobuf::SetLogHandler(nullptr);  // it would say of every damaged message that it is damaged
    return std::map<std::string, Target>();
  }();
  return all;
}

void require(bool holds, const char* what) {
  if (!holds) give_up(what);
}

bool accepts(const char* codes, const std::function<void()>& parse) {
  try {
    parse();
    return true;
  } catch (const Failure& failure) {
    if (!begins_with_one_of(failure.code(), codes)) {
      give_up("an unexpected " + failure.code() + ": " + failure.what());
    }
    check_message(failure);
    return false;
  }
}

MemoryFile::MemoryFile(std::string_view bytes) : fd_(::memfd_create("mft-fuzz", MFD_CLOEXEC)) {
  require(fd_ >= 0, "memfd_create");
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    require(n > 0, "write to a memory file");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  path_ = "/proc/self/fd/" + std::to_string(fd_);
}

MemoryFile::~MemoryFile() { ::close(fd_); }

}  // namespace mft::fuzz
