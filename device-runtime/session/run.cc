#include "session/run.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "power/sensors.h"
#include "session/abstract_socket.h"
#include "session/journal.h"
#include "session/server.h"
#include "text/utf8.h"
#include "train/task.h"

namespace mft::session {
namespace {

// How long hosts have to read the end of a run before the process leaves; after that the journal has it.
constexpr std::chrono::milliseconds kFarewell{5000};

sigset_t stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  return set;
}

Fd open_signals() {
  const sigset_t set = stop_signals();
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) fail_io("make", "a signalfd", errno);
  return fd;
}

void take_signal(int fd, train::ControlInbox& inbox) {
  struct signalfd_siginfo info;
  if (::read(fd, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
  const char* name = info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
  log_line(std::string(name) + ": stopping with a checkpoint");
  inbox.request_stop(name);
}

v1::Event failed(const std::string& code, const std::string& message, const std::string& hint) {
  v1::Event event;
  event.mutable_failed()->set_code(code);
  event.mutable_failed()->set_message(replace_invalid_utf8(message));
  event.mutable_failed()->set_hint(hint);
  return event;
}

// What the attempt says first: that it is there, and what it found.
void announce(train::RunContext& context, const Journal& journal) {
  context.change_state(v1::RUN_STATE_PREPARING);
  if (journal.cut_bytes() > 0) {
    context.warn("journal.cut", std::to_string(journal.cut_bytes()) +
                                    " bytes at the journal's end were not whole and were cut off");
  }
}

// The run's last word, whatever happens.
v1::Event carry_out(train::RunContext& context, const Journal& journal, const std::function<void()>& ready) {
  try {
    try {
      announce(context, journal);
    } catch (const Failure&) {
      ready();
      throw;
    }
    ready();
    const power::SensorThread sensors(context.folder.path(), [&](const v1::DeviceReading& reading) {
      v1::Event event;
      *event.mutable_reading() = reading;
      context.events.emit(std::move(event));
    });
    v1::Event last;
    *last.mutable_finished() = train::run_task(context);
    return last;
  } catch (const Failure& failure) {
    return failed(failure.code(), failure.what(), failure.hint());
  } catch (const std::bad_alloc&) {
    return failed("memory.too-little", "the phone gave no more memory",
                  "Close other apps, or use a smaller batch size or sequence length.");
  } catch (const std::exception& error) {
    return failed("internal", error.what(),
                  "This is a defect of mft; the run's log on the phone may tell more.");
  }
}

RunEnd end_of(const v1::Event& last) {
  if (last.has_failed()) return RunEnd::kFailed;
  return last.finished().outcome() == v1::Finished::OUTCOME_STOPPED ? RunEnd::kStopped : RunEnd::kCompleted;
}

}  // namespace

void block_signals() {
  const sigset_t set = stop_signals();
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) throw Failure("internal", "can't block signals");
  (void)::signal(SIGPIPE, SIG_IGN);
  (void)::signal(SIGHUP, SIG_IGN);
}

RunEnd carry_on(const train::RunFolder& folder, std::uint32_t min_attempt, const std::string& runtime_version,
                const std::function<void()>& ready) {
  const v1::RunSpec spec = folder.read_spec();
  std::string token = folder.read_token();
  const RunLock lock(folder);

  train::History history;
  Journal journal(folder.journal(), [&](const v1::Event& event, std::string_view) { history.see(event); });
  if (history.completed) {
    throw Failure("run.finished", "run '" + folder.id() + "' has finished",
                  "Read its events with `mft attach`.");
  }
  journal.begin_attempt(std::max(journal.last().attempt + 1, min_attempt));

  train::ControlInbox inbox;
  const Fd signals = open_signals();
  Server server(socket_name(folder.id()), journal, inbox, std::move(token), runtime_version);
  server.watch(signals.get(), [&] { take_signal(signals.get(), inbox); });
  server.start();

  train::Steering steering(inbox, journal, history);
  train::StoredFiles stored(folder);
  train::RunContext context{folder, spec, journal, steering, stored, history, runtime_version, 0};
  log_line("mft-runtime " + runtime_version + " on run " + folder.id());
  const v1::Event last = carry_out(context, journal, ready);
  if (last.has_failed()) log_line("failed: " + last.failed().code() + ": " + last.failed().message());
  journal.emit_last(last);
  if (end_of(last) == RunEnd::kCompleted) remove_tree(folder.best());  // the result has them
  server.finish(kFarewell);
  return end_of(last);
}

}  // namespace mft::session
