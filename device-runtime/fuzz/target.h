// What a fuzz target is: a parser of untrusted bytes, run over one input. Nothing but a Failure with one of the
// codes that docs/errors.md names may come of it, and `require` says what must hold of what was accepted.
//
// Each *_target.cc registers one. Linked with fuzzer.cc and libFuzzer it is a fuzzer of its own; all of them
// linked with replay_test.cc are fuzz_tests, which replays corpus/NAME/ in every build (docs/fuzzing.md).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace mft::fuzz {

using Target = void (*)(std::string_view input);

// By name; a corpus folder has the same.
std::map<std::string, Target>& targets();

struct Registration {
  Registration(const char* name, Target target) { targets()[name] = target; }
};

// What give-ups and crashes are about, for messages: the file that is replayed.
extern std::string current_input;

// Ends the process with a message: a fuzzer, a sanitizer build and a release build all see it.
void require(bool holds, const char* what);

// Runs `parse`. True: it accepted. A Failure is an answer too, if its code begins with one of `codes` (divided
// by spaces) and its message is one that a person can read: not endless, and without control characters.
bool accepts(const char* codes, const std::function<void()>& parse);

// Bytes as a file without a name on disk, for parsers that open one by path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes);
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile();
  const std::string& path() const { return path_; }

 private:
  int fd_ = -1;
  std::string path_;
};

// Takes values off the front of an input.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}
  unsigned char byte() {  // 0 at the end
    if (rest_.empty()) return 0;
    const auto value = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::string_view take(std::size_t bytes) {  // fewer at the end
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace mft::fuzz
