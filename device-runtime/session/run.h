// One life of the runtime on a run: lock, journal, socket, sensors, task, last word.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/file.h"
#include "mft/v1/session.pb.h"
#include "train/run_folder.h"

namespace mft::session {

// runs/<id>/lock: flock'ed by the living runtime, holds its pid.
class RunLock {
 public:
  // Failure run.already-running (the message ends with the holder's pid; pid() of the exception is in the
  // file).
  explicit RunLock(const train::RunFolder& folder);
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  File file_;
};

// Pid of the process that holds the run's lock; 0: none. Takes nothing.
std::uint32_t lock_holder(const train::RunFolder& folder);

enum class RunEnd { kCompleted, kStopped, kFailed };

// Carries the run on in this process until its end. `ready` is called once, when the lock is held, the socket
// listens and the attempt's first event is in the journal. Signals must be blocked as block_signals does,
// before any thread is made. Failure before `ready`: nothing was journaled (run.unknown, run.already-running,
// run.finished, spec.*, session.socket).
RunEnd carry_on(const train::RunFolder& folder, std::uint32_t min_attempt, const std::string& runtime_version,
                const std::function<void()>& ready);

// SIGTERM and SIGINT ask a run to stop, with a checkpoint; SIGPIPE and SIGHUP are ignored.
void block_signals();

// What `mft-runtime status` prints. Reads only.
v1::RunStatus read_status(const train::RunFolder& folder);

// What `mft-runtime events` prints: one DeviceFrame { event } after the other, through `write`, in bounded
// memory.
void read_events(const train::RunFolder& folder, const v1::EventId& after,
                 const std::function<void(std::string_view)>& write);

}  // namespace mft::session
