// `mft-runtime start`: a run that outlives the adb shell it was started from. The shell's end kills what is
// in its session or still holds its pipes, so the runtime leaves both: a second fork, a session of its own,
// no inherited descriptor.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sysroot.h"
#include "main/commands.h"
#include "session/run.h"

namespace mft::main {
namespace {

constexpr int kReadyLimitMs = 120'000;  // a journal of a million events is read meanwhile
constexpr int kPipe = 3;                // the descriptor by which the runtime tells how it began

void tell(const std::string& text) {
  const ssize_t ignored = ::write(kPipe, text.data(), text.size());  // nobody may be left to read it
  (void)ignored;
}

void redirect(const std::string& path, int flags, int to) {
  const int fd = ::open(path.c_str(), flags, 0600);
  if (fd < 0) fail_io("open", path, errno);
  if (fd == to) return;
  if (::dup2(fd, to) < 0) fail_io("redirect to", path, errno);
  (void)::close(fd);
}

// In the new process. Reports over the pipe: "started PID", or the exit code and what to print.
[[noreturn]] void become_the_run(const Arguments& arguments, const train::RunFolder& folder, int pipe) {
  int code = kFailed;
  bool told = false;
  try {
    if (pipe != kPipe && ::dup2(pipe, kPipe) < 0) fail_io("duplicate", "a pipe", errno);
    close_descriptors_above(kPipe);
    if (::fcntl(kPipe, F_SETFD, FD_CLOEXEC) != 0) fail_io("set up", "a pipe", errno);
    redirect("/dev/null", O_RDONLY, STDIN_FILENO);  // the machine's own, not the sysroot's
    redirect(on_disk(folder.log()), O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
    if (::dup2(STDOUT_FILENO, STDERR_FILENO) < 0) fail_io("redirect to", folder.log(), errno);
    if (::chdir("/") != 0) fail_io("change to", "/", errno);
    session::block_signals();
    const session::RunEnd end = session::carry_on(folder, arguments.min_attempt, MFT_VERSION, [&] {
      tell("started " + std::to_string(::getpid()) + "\n");
      told = true;
      (void)::close(kPipe);
    });
    code = end == session::RunEnd::kFailed ? kRunFailed : kDone;
  } catch (const Failure& failure) {
    code = exit_code_of(failure.code());
    const std::string text =
        std::string(failure.what()) + (failure.hint().empty() ? "" : "\n" + failure.hint());
    if (!told) tell(std::to_string(code) + " " + text);
    log_line(text);
  } catch (const std::exception& error) {
    if (!told) tell(std::to_string(code) + " " + error.what());
    log_line(error.what());
  }
  ::_exit(code);
}

// What the runtime says of its beginning; "" when it says nothing in time or ends before.
std::string await_ready(int pipe) {
  std::string said;
  for (;;) {
    struct pollfd polled = {pipe, POLLIN, 0};
    const int ready = ::poll(&polled, 1, kReadyLimitMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return said;
    char piece[4096];
    const ssize_t n = ::read(pipe, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return said;
    said.append(piece, static_cast<std::size_t>(n));
  }
}

pid_t fork_checked() {
  const pid_t pid = ::fork();
  if (pid < 0) fail_io("fork", "this process", errno);
  return pid;
}

}  // namespace

int start(const Arguments& arguments) {
  const train::RunFolder folder(arguments.root, arguments.run);
  (void)folder.read_spec();  // wrong requests are answered here, without a trace in the run's folder
  (void)::umask(077);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_io("make", "a pipe", errno);
  Fd from(ends[0]);
  Fd to(ends[1]);

  const pid_t middle = fork_checked();
  if (middle == 0) {
    if (::setsid() < 0) ::_exit(kFailed);
    const pid_t last = ::fork();  // not a session leader: it can never get a terminal again
    if (last == 0) become_the_run(arguments, folder, to.get());
    ::_exit(last < 0 ? kFailed : 0);
  }
  to.reset();
  int ended = 0;
  while (::waitpid(middle, &ended, 0) < 0) {
    if (errno != EINTR) fail_io("wait for", "a process", errno);
  }

  const std::string said = await_ready(from.get());
  if (said.starts_with("started ")) {
    print(said);
    return kDone;
  }
  if (said.empty()) {
    throw Failure("start.failed", "the runtime ended before the run began",
                  "See " + folder.log() + " on the phone.");
  }
  const int code = std::atoi(said.c_str());
  const std::string text = said.substr(said.find(' ') + 1);
  if (code == kAlreadyRunning)
    print("already running " + std::to_string(session::lock_holder(folder)) + "\n");
  (void)std::fprintf(stderr, "mft-runtime: %s\n", text.c_str());
  return code;
}

}  // namespace mft::main
