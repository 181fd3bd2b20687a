// Runs carried on in processes of their own, as on a phone, and what their records say. Tests only.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "session/run.h"
#include "session/test_run.h"
#include "train/checkpoint.h"

namespace mft::session {

// Abstract sockets are shared by the whole machine: tests that run at once must not meet.
inline const bool kSocketsOfOurOwn = [] {
  return ::setenv("MFT_SOCKET_PREFIX", ("test-" + std::to_string(::getpid()) + "-").c_str(), 1) == 0;
}();

// Carries a run on in a child. -1 from wait(): it was killed.
class Child {
 public:
  explicit Child(const TestRun& run, std::uint32_t min_attempt = 0) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    int code = 99;
    try {
      block_signals();
      code = static_cast<int>(carry_on(run.folder, min_attempt, "0.1.0", [] {}));
    } catch (const Failure& failure) {
      code = failure.code() == "run.already-running" ? 50 : failure.code() == "run.finished" ? 51 : 52;
    }
    ::_exit(code);
  }
  ~Child() {
    if (pid_ > 0) {
      kill(SIGKILL);
      wait();
    }
  }
  void kill(int signal) { ASSERT_EQ(::kill(pid_, signal), 0); }
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
};

inline constexpr int kCompletedCode = static_cast<int>(RunEnd::kCompleted);
inline constexpr int kStoppedCode = static_cast<int>(RunEnd::kStopped);
inline constexpr int kFailedCode = static_cast<int>(RunEnd::kFailed);

// The bits of each step's loss and of each evaluation's, and whether that was the best. A step that is there
// twice must have the same.
struct Curve {
  std::map<std::uint32_t, std::uint32_t> steps, evaluations, best;
  bool operator==(const Curve&) const = default;
};

inline void note(std::map<std::uint32_t, std::uint32_t>& values, std::uint32_t step, std::uint32_t value) {
  const auto [at, fresh] = values.emplace(step, value);
  if (!fresh) {
    EXPECT_EQ(at->second, value) << "recomputed step " << step;
  }
}

inline Curve curve_of(const std::vector<v1::Event>& events) {
  Curve curve;
  for (const v1::Event& event : events) {
    if (event.has_step()) {
      note(curve.steps, event.step().step(), std::bit_cast<std::uint32_t>(event.step().loss()));
    }
    if (!event.has_evaluation()) continue;
    const v1::Evaluation& evaluation = event.evaluation();
    note(curve.evaluations, evaluation.step(), std::bit_cast<std::uint32_t>(evaluation.loss()));
    note(curve.best, evaluation.step(), evaluation.best() ? 1 : 0);
  }
  return curve;
}

// Hashes of the result's files, by segment; its hash must be what Finished says.
inline std::map<std::string, std::string> result_of(const TestRun& run) {
  const train::LoadedCheckpoint result = train::read_checkpoint(run.folder.result(), run.folder.id());
  const std::vector<v1::Event> events = run.events();
  EXPECT_TRUE(events.back().has_finished());
  EXPECT_EQ(to_bytes(sha256_file(run.folder.result() + "/manifest.pb")),
            events.back().finished().result_manifest_sha256());
  EXPECT_EQ(result.manifest.step(), events.back().finished().result_step());
  std::map<std::string, std::string> hashes;
  for (const v1::Segment& segment : result.manifest.weights())
    hashes[segment.name()] = to_hex(segment.sha256());
  return hashes;
}

template <typename Of>
std::vector<v1::Event> only(const std::vector<v1::Event>& events, Of of) {
  std::vector<v1::Event> found;
  for (const v1::Event& event : events) {
    if ((event.*of)()) found.push_back(event);
  }
  return found;
}

inline void complete(TestRun& run) {
  run.write();
  ASSERT_EQ(Child(run).wait(), kCompletedCode);
}

}  // namespace mft::session
