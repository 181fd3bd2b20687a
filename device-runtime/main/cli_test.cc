// The program as a host meets it: arguments, exit codes, what stands on stdout, and a run that outlives its
// starter.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "session/frames.h"
#include "session/test_client.h"
#include "session/test_run.h"

namespace mft::session {
namespace {

const bool kSocketsOfOurOwn = [] {
  return ::setenv("MFT_SOCKET_PREFIX", ("cli-" + std::to_string(::getpid()) + "-").c_str(), 1) == 0;
}();

struct Outcome {
  int code = -1;
  std::string out, error;
};

// Runs MFT_RUNTIME (an emulator's path may stand before it, separated by spaces) with these arguments.
Outcome mft(const std::vector<std::string>& arguments, const std::string& environment = "") {
  TestFolder folder;
  std::vector<std::string> words;
  std::istringstream command(MFT_RUNTIME);
  for (std::string word; command >> word;) words.push_back(word);
  words.insert(words.end(), arguments.begin(), arguments.end());
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (std::freopen((folder / "out").c_str(), "w", stdout) == nullptr) ::_exit(126);
    if (std::freopen((folder / "error").c_str(), "w", stderr) == nullptr) ::_exit(126);
    if (!environment.empty() && ::setenv("MFT_SYSROOT", environment.c_str(), 1) != 0) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  Outcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  outcome.out = read_all(folder / "out", 10 << 20);
  outcome.error = read_all(folder / "error", 10 << 20);
  return outcome;
}

template <typename Message>
Message only_frame(const std::string& bytes) {
  Message message;
  const auto head = read_head(bytes);
  EXPECT_TRUE(head && head->bytes + head->length == bytes.size());
  if (head) {
    EXPECT_TRUE(message.ParseFromString(bytes.substr(head->bytes)));
  }
  return message;
}

TEST(Cli, TellsItsVersion) {
  const Outcome outcome = mft({"version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "0.1.0\n");
}

TEST(Cli, ExplainsWrongRequests) {
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"dance"},
                                                       {"status", "--run"},
                                                       {"status", "--colour", "red"},
                                                       {"events", "--run", "a", "--after", "1"},
                                                       {"events", "--run", "a", "--after", "x:1"},
                                                       {"start", "--run", "a", "--min-attempt", "-1"},
                                                       {"hash"},
                                                       {"status", "--run", "../etc"},
                                                       {"status"},
                                                       {"facts", "--sysroot", "/no/such"},
                                                       {"facts", "more"}};
  for (const std::vector<std::string>& arguments : wrong) {
    const Outcome outcome = mft(arguments);
    EXPECT_EQ(outcome.code, 2) << (arguments.empty() ? "" : arguments[0]);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.error, "");
  }
}

TEST(Cli, HashesFilesLikeSha256sum) {
  TestFolder folder;
  write_atomically(folder / "a b", "abc");
  write_atomically(folder / "empty", "");
  const Outcome outcome = mft({"hash", folder / "a b", folder / "empty"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  " +
                             (folder / "a b") +
                             "\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  " +
                             (folder / "empty") + "\n");
  const Outcome half = mft({"hash", folder / "absent", folder / "empty"});
  EXPECT_EQ(half.code, 1);
  EXPECT_NE(half.out.find("e3b0c442"), std::string::npos);
  EXPECT_NE(half.error.find("No such file"), std::string::npos);
}

TEST(Cli, FactsAreThoseOfTheSysroot) {
  TestFolder phone;
  make_directory(phone / "proc");
  make_directory(phone / "data");
  make_directory(phone / "sys/class/power_supply/battery");
  write_atomically(phone / "proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 1000 kB\n");
  write_atomically(phone / "sys/class/power_supply/battery/capacity", "42\n");
  for (const bool by_environment : {false, true}) {
    const Outcome outcome =
        by_environment ? mft({"facts"}, phone.path()) : mft({"facts", "--sysroot", phone.path()});
    EXPECT_EQ(outcome.code, 0);
    const v1::DeviceFacts facts = only_frame<v1::DeviceFacts>(outcome.out);
    EXPECT_EQ(facts.runtime_version(), "0.1.0");
    EXPECT_EQ(facts.reading().battery_percent(), 42);
    EXPECT_EQ(facts.reading().mem_available_bytes(), 1000u * 1024);
    EXPECT_GE(facts.usable_cpus(), 1u);
    EXPECT_GE(facts.page_size(), 4096u);
    EXPECT_FALSE(facts.isa().empty());
    EXPECT_TRUE(facts.reading().has_disk_free_bytes());
  }
}

TEST(Cli, RefusesARunThatIsNotThereOrCannotBe) {
  TestRun run;
  EXPECT_EQ(mft({"start", "--root", run.root.path(), "--run", "run-1"}).code, 2);  // nothing written yet
  run.spec.mutable_train()->set_batch_size(0);
  run.write();
  for (const char* command : {"start", "run"}) {
    const Outcome outcome = mft({command, "--root", run.root.path(), "--run", "run-1"});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_NE(outcome.error.find("batch_size"), std::string::npos);
  }
  EXPECT_FALSE(stat_path(run.folder.journal()));
}

TEST(Cli, RunsInTheForegroundAndPrintsItsEvents) {
  TestRun run;
  run.write();
  EXPECT_EQ(mft({"run", "--root", run.root.path(), "--run", "run-1", "--min-attempt", "4"}).code, 0);
  const v1::RunStatus status =
      only_frame<v1::RunStatus>(mft({"status", "--root", run.root.path(), "--run", "run-1"}).out);
  EXPECT_TRUE(status.exists());
  EXPECT_TRUE(status.ended());
  EXPECT_FALSE(status.alive());
  EXPECT_EQ(status.journal_last().attempt(), 4u);
  const std::string after = "4:" + std::to_string(status.journal_last().sequence() - 1);
  const Outcome events = mft({"events", "--root", run.root.path(), "--run", "run-1", "--after", after});
  EXPECT_TRUE(only_frame<v1::DeviceFrame>(events.out).event().has_finished());
  EXPECT_EQ(mft({"run", "--root", run.root.path(), "--run", "run-1"}).code, 2);  // it has finished
  EXPECT_EQ(mft({"events", "--root", run.root.path(), "--run", "other"}).code, 2);

  TestRun bad;
  bad.use_text("");
  bad.write();
  EXPECT_EQ(mft({"run", "--root", bad.root.path(), "--run", "run-1"}).code, 5);
}

TEST(Cli, ADetachedRunOutlivesItsStarterAndHoldsNothingOfIt) {
  TestRun run;
  run.spec.mutable_train()->set_steps(1'000'000);
  run.spec.mutable_train()->set_checkpoint_every(0);
  run.spec.mutable_train()->set_eval_every(0);
  run.write();
  const std::vector<std::string> start = {"start", "--root", run.root.path(), "--run", "run-1"};
  const Outcome started = mft(start);
  ASSERT_EQ(started.code, 0) << started.error;
  ASSERT_EQ(started.out.rfind("started ", 0), 0u) << started.out;
  const pid_t pid = std::atoi(started.out.c_str() + 8);
  ASSERT_GT(pid, 1);
  EXPECT_EQ(::getsid(pid) == ::getsid(0), false);
  EXPECT_NE(::getsid(pid), pid);  // not a leader of its session

  const Outcome again = mft(start);
  EXPECT_EQ(again.code, 3);
  EXPECT_EQ(again.out, "already running " + std::to_string(pid) + "\n");
  const v1::RunStatus status =
      only_frame<v1::RunStatus>(mft({"status", "--root", run.root.path(), "--run", "run-1"}).out);
  EXPECT_TRUE(status.alive());
  EXPECT_EQ(status.pid(), static_cast<std::uint32_t>(pid));
  EXPECT_GE(status.journal_last().sequence(), 1u);

  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  EXPECT_TRUE(client.until([](const v1::Event& e) { return e.has_step() && e.step().step() >= 3; }));
  EXPECT_EQ(::kill(pid, SIGTERM), 0);
  const auto last = client.until([](const v1::Event& e) { return e.has_finished(); });
  ASSERT_TRUE(last);
  EXPECT_EQ(last->finished().outcome(), v1::Finished::OUTCOME_STOPPED);
  client.close_sending();
  for (int i = 0; i < 1000 && ::kill(pid, 0) == 0; ++i) ::usleep(10'000);
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_NE(read_all(run.folder.log(), 1 << 20).find("SIGTERM"), std::string::npos);
  EXPECT_EQ(read_all(run.folder.log(), 1 << 20).find(run.token), std::string::npos);
}

TEST(Cli, StartTellsWhyARunCannotBegin) {
  TestRun run;
  run.write();
  write_atomically(run.folder / "token", "short");
  const Outcome outcome = mft({"start", "--root", run.root.path(), "--run", "run-1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.error.find("token"), std::string::npos);
}

}  // namespace
}  // namespace mft::session
