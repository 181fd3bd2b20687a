#include "main/commands.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "bench/stdio.h"
#include "session/frames.h"
#include "session/run.h"

namespace mft::main {
namespace {

void print_message(const google::protobuf::MessageLite& message) {
  std::string out;
  session::append_frame(out, message.SerializeAsString());
  print(out);
}

}  // namespace

int exit_code_of(const std::string& code) {
  if (code == "run.already-running") return kAlreadyRunning;
  for (const char* prefix : {"usage.", "run.", "spec.", "bench."}) {
    if (code.starts_with(prefix)) return kWrongRequest;
  }
  return kFailed;
}

void print(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_io("write to", "standard output", errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

int run(const Arguments& arguments) {
  session::block_signals();
  const train::RunFolder folder(arguments.root, arguments.run);
  switch (session::carry_on(folder, arguments.min_attempt, MFT_VERSION, [] {})) {
    case session::RunEnd::kCompleted:
      return kDone;
    case session::RunEnd::kStopped:
      return kRunStopped;
    case session::RunEnd::kFailed:
      return kRunFailed;
  }
  return kFailed;
}

int status(const Arguments& arguments) {
  print_message(session::read_status(train::RunFolder(arguments.root, arguments.run)));
  return kDone;
}

int events(const Arguments& arguments) {
  session::read_events(train::RunFolder(arguments.root, arguments.run), arguments.after, print);
  return kDone;
}

int hash(const Arguments& arguments) {
  int code = kDone;
  for (const std::string& path : arguments.files) {
    try {
      print(to_hex(sha256_file(path)) + "  " + path + "\n");
    } catch (const Failure& failure) {  // the other files are still wanted, as with sha256sum
      (void)std::fprintf(stderr, "mft-runtime: %s\n", failure.what());
      code = kFailed;
    }
  }
  return code;
}

int bench(const Arguments& arguments) {
  bench::run(arguments.files.front(), bench::standard_streams());
  return kDone;
}

}  // namespace mft::main
