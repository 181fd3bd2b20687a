#include "main/arguments.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace mft::main {
namespace {

template <typename Number>
Number number_of(const std::string& option, std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Failure("usage.option", option + " " + std::string(text) + ": not a number");
  }
  return value;
}

v1::EventId position_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos)
    throw Failure("usage.option", "--after wants ATTEMPT:SEQUENCE, not " + text);
  v1::EventId id;
  id.set_attempt(number_of<std::uint32_t>("--after", std::string_view(text).substr(0, colon)));
  id.set_sequence(number_of<std::uint64_t>("--after", std::string_view(text).substr(colon + 1)));
  return id;
}

}  // namespace

const char* const kUsage =
    "usage: mft-runtime COMMAND [OPTIONS]\n"
    "  start --run ID [--min-attempt N]   carry a run on, detached; prints \"started PID\"\n"
    "  run --run ID [--min-attempt N]     the same in the foreground\n"
    "  status --run ID                    one varint-delimited RunStatus\n"
    "  events --run ID [--after A:S]      the journal's events as varint-delimited DeviceFrames\n"
    "  facts                              one varint-delimited DeviceFacts\n"
    "  hash FILE...                       SHA-256 of files, as sha256sum prints them\n"
    "  bench SPEC                         measures what a BenchSpec says; varint-delimited BenchFrames\n"
    "  version\n"
    "options:\n"
    "  --root DIR      mft's folder on the phone (/data/local/tmp/mft)\n"
    "  --sysroot DIR   before every absolute path (environment: MFT_SYSROOT)\n"
    "exit codes: 0 done, 1 failed, 2 wrong request, 3 already running; run: 5 the run failed, 7 it was "
    "stopped\n";

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  if (const char* sysroot = std::getenv("MFT_SYSROOT")) arguments.sysroot = sysroot;
  if (argc < 2) throw Failure("usage.command", "no command");
  arguments.command = argv[1];
  bool options_end = false;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (options_end || !word.starts_with("--")) {
      arguments.files.push_back(word);
      continue;
    }
    if (word == "--") {
      options_end = true;
      continue;
    }
    if (i + 1 == argc) throw Failure("usage.option", word + " wants a value");
    const std::string value = argv[++i];
    if (word == "--root") {
      arguments.root = value;
    } else if (word == "--sysroot") {
      arguments.sysroot = value;
    } else if (word == "--run") {
      arguments.run = value;
    } else if (word == "--min-attempt") {
      arguments.min_attempt = number_of<std::uint32_t>(word, value);
    } else if (word == "--after") {
      arguments.after = position_of(value);
    } else {
      throw Failure("usage.option", "unknown option " + word);
    }
  }
  if (arguments.command == "bench" && arguments.files.size() != 1)
    throw Failure("usage.option", "bench wants one specification");
  if (arguments.command != "hash" && arguments.command != "bench" && !arguments.files.empty()) {
    throw Failure("usage.option", arguments.command + " takes no files: " + arguments.files.front());
  }
  if (arguments.command == "hash" && arguments.files.empty())
    throw Failure("usage.option", "hash wants files");
  return arguments;
}

}  // namespace mft::main
