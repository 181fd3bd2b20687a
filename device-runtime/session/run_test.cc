// The whole runtime on small runs, each in a process of its own, as on a phone.
#include "session/run.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/sysroot.h"
#include "session/test_child.h"
#include "session/test_client.h"
#include "session/test_run.h"
#include "train/checkpoint.h"

namespace mft::session {
namespace {

void expect_failed(TestRun& run, const std::string& code) {
  run.write();
  EXPECT_EQ(Child(run).wait(), kFailedCode);
  const std::vector<v1::Event> events = run.events();
  ASSERT_FALSE(events.empty());
  ASSERT_TRUE(events.back().has_failed()) << code;
  EXPECT_EQ(events.back().failed().code(), code) << events.back().failed().message();
  EXPECT_FALSE(events.back().failed().message().empty());
  EXPECT_FALSE(events.back().failed().hint().empty()) << code;
}

TEST(Run, TrainsInFullAndTellsEverything) {
  TestRun run;
  v1::GenerateTask& sample = *run.spec.mutable_train()->mutable_sample();
  sample.add_prompts("hello");
  sample.set_max_tokens(8);
  run.spec.mutable_train()->set_steps(40);
  complete(run);
  const std::vector<v1::Event> events = run.events();
  const std::vector<v1::Event> steps = only(events, &v1::Event::has_step);
  ASSERT_EQ(steps.size(), 40u);
  EXPECT_LT(steps.back().step().loss(), steps.front().step().loss() * 0.5f);
  EXPECT_EQ(steps.back().step().tokens_seen(), 40u * 64);
  EXPECT_GT(steps.back().step().rss_bytes(), 1u << 20);
  EXPECT_GE(steps.back().step().peak_rss_bytes(), steps.back().step().rss_bytes());
  const std::vector<v1::Event> started = only(events, &v1::Event::has_attempt_started);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].attempt_started().total_steps(), 40u);
  EXPECT_GT(started[0].attempt_started().train_tokens(), 1000u);
  EXPECT_EQ(only(events, &v1::Event::has_sample).size(), 2u);
  EXPECT_EQ(only(events, &v1::Event::has_evaluation).size(), 10u);
  EXPECT_GE(only(events, &v1::Event::has_reading).size(), 1u);
  EXPECT_EQ(events.front().state_changed().state(), v1::RUN_STATE_PREPARING);
  EXPECT_EQ(events.back().finished().outcome(), v1::Finished::OUTCOME_COMPLETED);
  EXPECT_EQ(events.back().finished().step(), 40u);
  EXPECT_EQ(result_of(run).size(), 4u);
  EXPECT_EQ(train::list_checkpoints(run.folder.checkpoints()), (std::vector<std::uint32_t>{36, 39}));

  EXPECT_EQ(Child(run).wait(), 51);  // it has finished
  EXPECT_EQ(run.events().size(), events.size());
}

TEST(Run, TrainsAdapters) {
  TestRun run;
  run.use_lora();
  run.spec.mutable_train()->set_steps(40);
  complete(run);
  const std::vector<v1::Event> steps = only(run.events(), &v1::Event::has_step);
  EXPECT_LT(steps.back().step().loss(), steps.front().step().loss());
  const train::LoadedCheckpoint result = train::read_checkpoint(run.folder.result(), "run-1");
  ASSERT_EQ(result.manifest.weights_size(), 1);
  EXPECT_EQ(result.manifest.weights(0).name(), "adapter");
  EXPECT_EQ(result.manifest.weights(0).tensors_size(), 8);  // A and B of two modules in two layers
  EXPECT_EQ(result.manifest.lora_targets_size(), 4);
}

TEST(Run, EpochsBecomeSteps) {
  TestRun run;
  run.spec.mutable_train()->set_steps(0);
  run.spec.mutable_train()->set_epochs(0.5f);
  complete(run);
  const v1::AttemptStarted started = only(run.events(), &v1::Event::has_attempt_started)[0].attempt_started();
  // Half an epoch of rows, four rows a step, rounded up.
  EXPECT_EQ(started.total_steps(), (started.rows_per_epoch() + 7) / 8);
}

// Kills a run again and again; what it computes must be what an undisturbed run computes. When to kill is
// drawn by how far the attempt got (bytes of its journal, which every phase of it writes) and some time on
// top, so that it does not depend on the machine's speed.
void kill_and_compare(bool lora, unsigned seed) {
  constexpr std::uint32_t kSteps = 60;
  TestRun undisturbed;
  if (lora) undisturbed.use_lora();
  undisturbed.spec.mutable_train()->set_steps(kSteps);
  complete(undisturbed);
  const Curve expected = curve_of(undisturbed.events());
  ASSERT_EQ(expected.steps.size(), kSteps);

  std::mt19937 random(seed);
  int kills = 0;
  std::set<std::uint32_t> resumed;
  // A busy machine lets a run get further between two kills, down to its end: then another run is killed, until all runs
  // together have been twenty times.
  for (int runs = 0; kills < 20; ++runs) {
    ASSERT_LT(runs, 20);
    TestRun run;
    if (lora) run.use_lora();
    run.spec.mutable_train()->set_steps(kSteps);
    run.write();
    const auto journal_bytes = [&] {
      const auto info = stat_path(run.folder.journal());
      return info ? info->bytes : 0;
    };
    int code = -1;
    while (code < 0 && kills < 200 && (kills < 20 || read_status(run.folder).last_checkpoint_step() < 30)) {
      const std::uint64_t until = journal_bytes() + random() % 800;
      Child child(run);
      for (int i = 0; i < 20'000 && journal_bytes() < until; ++i) ::usleep(100);
      ::usleep(random() % 3000);
      child.kill(SIGKILL);
      code = child.wait();
      if (code < 0) ++kills;
    }
    if (code < 0) code = Child(run).wait();
    ASSERT_EQ(code, kCompletedCode);
    const std::vector<v1::Event> events = run.events();
    EXPECT_EQ(curve_of(events), expected);
    EXPECT_EQ(result_of(run), result_of(undisturbed));
    for (const v1::Event& event : only(events, &v1::Event::has_attempt_started)) {
      resumed.insert(event.attempt_started().from_step());
    }
  }
  EXPECT_GE(resumed.size(), 3u);  // they went on from several places
}

TEST(Run, KilledAtTwentyMomentsGivesTheSameBitsInFull) { kill_and_compare(false, 1); }
TEST(Run, KilledAtTwentyMomentsGivesTheSameBitsForAdapters) { kill_and_compare(true, 2); }

TEST(Run, ABrokenNewestCheckpointIsToldOfAndTheOneBeforeUsed) {
  TestRun undisturbed;
  complete(undisturbed);

  TestRun run;
  run.write();
  {
    Child child(run);
    TestClient client(socket_name("run-1"));
    client.hello(run.token);
    ASSERT_TRUE(client.until(
        [](const v1::Event& e) { return e.has_checkpoint_saved() && e.checkpoint_saved().step() >= 6; }));
    child.kill(SIGKILL);
    child.wait();
  }
  const std::uint32_t newest = train::list_checkpoints(run.folder.checkpoints()).back();
  const std::string file = train::checkpoint_folder(run.folder.checkpoints(), newest) + "/block.0.bin";
  std::string bytes = read_all(file, 10 << 20);
  bytes[1000] = static_cast<char>(bytes[1000] ^ 1);
  write_atomically(file, bytes);
  EXPECT_EQ(Child(run).wait(), kCompletedCode);
  const std::vector<v1::Event> events = run.events();
  bool warned = false;
  for (const v1::Event& event : only(events, &v1::Event::has_warning))
    warned |= event.warning().code() == "checkpoint.broken";
  EXPECT_TRUE(warned);
  EXPECT_EQ(only(events, &v1::Event::has_attempt_started).back().attempt_started().from_step(), newest - 3);
  EXPECT_EQ(curve_of(events), curve_of(undisturbed.events()));
  EXPECT_EQ(result_of(run), result_of(undisturbed));
}

TEST(Run, ATornJournalIsCutToldOfAndTheRunGoesOn) {
  TestRun run;
  run.write();
  {
    Child child(run);
    TestClient client(socket_name("run-1"));
    client.hello(run.token);
    ASSERT_TRUE(client.until([](const v1::Event& e) { return e.has_step() && e.step().step() == 5; }));
    child.kill(SIGKILL);
    child.wait();
  }
  const std::string journal = read_all(run.folder.journal(), 10 << 20);
  write_atomically(run.folder.journal(), journal.substr(0, journal.size() - 5));
  {
    Child child(run, 7);
    TestClient client(socket_name("run-1"));
    client.hello(run.token, {6, 999});  // a host that has more than the journal
    const auto welcome = client.next();
    ASSERT_TRUE(welcome);
    EXPECT_TRUE(welcome->welcome().host_ahead());
    const auto first = client.next();
    ASSERT_TRUE(first);
    EXPECT_EQ(position_of(first->event().id()), (Position{7, 1}));
    ASSERT_TRUE(client.until([](const v1::Event& e) { return e.has_finished(); }));
    client.close_sending();
    EXPECT_EQ(child.wait(), kCompletedCode);
  }
  bool warned = false;
  for (const v1::Event& event : only(run.events(), &v1::Event::has_warning))
    warned |= event.warning().code() == "journal.cut";
  EXPECT_TRUE(warned);
}

v1::Control control(std::uint64_t id) {
  v1::Control result;
  result.set_id(id);
  return result;
}

TEST(Run, ObeysAHostAndGivesTheSameBits) {
  TestRun undisturbed;
  undisturbed.spec.mutable_train()->set_steps(60);
  complete(undisturbed);

  TestRun run;
  run.spec.mutable_train()->set_steps(60);
  run.write();
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  const auto acknowledged = [&](std::uint64_t id) {
    const auto event = client.until([&](const v1::Event& e) {
      return e.has_control_applied() && e.control_applied().control_id() == id;
    });
    return event ? event->control_applied() : v1::ControlApplied();
  };
  v1::Control pause = control(1), threads = control(2), evaluate = control(3), checkpoint = control(4),
              resume = control(5);
  pause.mutable_pause();
  threads.mutable_set_threads()->set_threads(2);
  evaluate.mutable_evaluate();
  checkpoint.mutable_checkpoint();
  resume.mutable_resume();
  ASSERT_TRUE(client.until([](const v1::Event& e) { return e.has_step(); }));
  client.control(pause);
  const v1::ControlApplied paused = acknowledged(1);
  EXPECT_TRUE(paused.accepted());
  client.control(threads);
  client.control(evaluate);
  client.control(checkpoint);
  EXPECT_TRUE(acknowledged(2).accepted());
  EXPECT_EQ(acknowledged(3).step(), paused.step());
  EXPECT_EQ(acknowledged(4).step(), paused.step());
  client.control(pause);
  EXPECT_EQ(acknowledged(1).step(), paused.step());  // again: acknowledged, not applied
  client.control(resume);
  EXPECT_EQ(acknowledged(5).step(), paused.step());
  EXPECT_TRUE(client.until([](const v1::Event& e) { return e.has_finished(); }));
  client.close_sending();
  EXPECT_EQ(child.wait(), kCompletedCode);
  EXPECT_EQ(curve_of(run.events()).steps, curve_of(undisturbed.events()).steps);
  for (const v1::Event& event : only(run.events(), &v1::Event::has_evaluation)) {
    if (event.evaluation().step() == paused.step() && paused.step() % 4 != 0) {
      EXPECT_FALSE(event.evaluation().best());  // what is asked for does not count
    }
  }
  EXPECT_EQ(result_of(run), result_of(undisturbed));
}

TEST(Run, StopsOnRequestLeavesAResultAndGoesOnLater) {
  TestRun undisturbed;
  undisturbed.spec.mutable_train()->set_steps(200);
  complete(undisturbed);

  TestRun run;
  run.spec.mutable_train()->set_steps(200);
  run.write();
  {
    Child child(run);
    TestClient client(socket_name("run-1"));
    client.hello(run.token);
    ASSERT_TRUE(client.until([](const v1::Event& e) { return e.has_step() && e.step().step() == 4; }));
    v1::Control stop = control(1);
    stop.mutable_stop();
    client.control(stop);
    const auto last = client.until([](const v1::Event& e) { return e.has_finished(); });
    ASSERT_TRUE(last);
    EXPECT_EQ(last->finished().outcome(), v1::Finished::OUTCOME_STOPPED);
    client.close_sending();
    EXPECT_EQ(child.wait(), kStoppedCode);
    EXPECT_EQ(train::list_checkpoints(run.folder.checkpoints()).back(), last->finished().step());
    EXPECT_EQ(result_of(run).size(), 4u);
  }
  {
    Child child(run);
    TestClient client(socket_name("run-1"));
    client.hello(run.token);
    ASSERT_TRUE(client.until([](const v1::Event& e) { return e.id().attempt() == 2 && e.has_step(); }));
    child.kill(SIGTERM);
    client.close_sending();
    ASSERT_TRUE(client.until([](const v1::Event& e) { return e.has_finished() && e.id().attempt() == 2; }));
    EXPECT_EQ(child.wait(), kStoppedCode);
  }
  EXPECT_EQ(Child(run).wait(), kCompletedCode);
  EXPECT_EQ(curve_of(run.events()), curve_of(undisturbed.events()));
  EXPECT_EQ(result_of(run), result_of(undisturbed));
}

TEST(Run, OnlyOneRuntimeCarriesARunOn) {
  TestRun run;
  run.spec.mutable_train()->set_steps(100'000);
  run.write();
  EXPECT_FALSE(read_status(run.folder).alive());
  Child first(run);
  TestClient client(socket_name("run-1"));
  EXPECT_EQ(Child(run).wait(), 50);
  const v1::RunStatus status = read_status(run.folder);
  EXPECT_TRUE(status.alive());
  EXPECT_GT(status.pid(), 1u);
  EXPECT_FALSE(status.ended());
  first.kill(SIGKILL);
  first.wait();
  EXPECT_FALSE(read_status(run.folder).alive());
}

TEST(Run, EventsAreReadWithoutAProcess) {
  TestRun run;
  complete(run);
  const std::vector<v1::Event> events = run.events();
  v1::EventId after;
  after.set_attempt(1);
  after.set_sequence(5);
  std::string out;
  read_events(run.folder, after, [&](std::string_view piece) { out += piece; });
  std::size_t frames = 0;
  for (std::string_view rest = out; !rest.empty(); ++frames) {
    const auto head = read_head(rest);
    rest.remove_prefix(head->bytes + head->length);
  }
  EXPECT_EQ(frames, events.size() - 5);
  const v1::RunStatus status = read_status(run.folder);
  EXPECT_TRUE(status.ended());
  EXPECT_TRUE(status.has_checkpoint());
  EXPECT_EQ(status.journal_last().sequence(), events.back().id().sequence());
  EXPECT_THROW(read_events(train::RunFolder(run.root.path(), "other"), after, [](std::string_view) {}),
               Failure);
  EXPECT_FALSE(read_status(train::RunFolder(run.root.path(), "other")).exists());
}

TEST(Run, SaysWhatIsWrongWithItsData) {
  {
    TestRun run;
    run.use_text("");
    expect_failed(run, "data.empty");
  }
  {
    TestRun run;
    run.use_text("hello \xff world, hello world");
    expect_failed(run, "data.not-utf8");
  }
  {
    TestRun run;
    run.use_text("hello");
    expect_failed(run, "data.too-short");
  }
  {
    TestRun run;
    run.spec.mutable_data()->mutable_train()->clear_store_sha256();
    run.spec.mutable_data()->mutable_train()->set_device_path("/sdcard/no such \xf0\x9f\x93\x84 file.txt");
    expect_failed(run, "data.not-found");
  }
}

TEST(Run, SaysWhatIsWrongWithTheStore) {
  {
    TestRun run;
    remove_file(run.folder.stored(run.spec.model().segments(1).sha256()));
    expect_failed(run, "store.missing");
  }
  {
    TestRun run;
    const std::string path = run.folder.stored(run.spec.model().segments(1).sha256());
    std::string bytes = read_all(path, 10 << 20);
    bytes[77] = static_cast<char>(bytes[77] ^ 4);
    write_atomically(path, bytes);
    expect_failed(run, "store.corrupt");
  }
  {
    TestRun run;
    run.spec.mutable_model()->clear_tokenizer_sha256();
    expect_failed(run, "model.no-tokenizer");
  }
}

TEST(Run, SaysThatThereIsTooLittleMemoryBeforeItTakesIt) {
  TestRun run;
  run.write();
  // The phone's own /proc/meminfo, in a sysroot that also holds the run.
  make_directory(run.root / "proc");
  write_atomically(run.root / "proc/meminfo", "MemTotal: 100000 kB\nMemAvailable: 64 kB\n");
  const train::RunFolder inside("/", "run-1");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    set_sysroot(run.root.path());
    ::_exit(static_cast<int>(carry_on(inside, 0, "0.1.0", [] {})));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  const std::vector<v1::Event> events = run.events();
  ASSERT_TRUE(events.back().has_failed());
  EXPECT_EQ(events.back().failed().code(), "memory.too-little");
}

TEST(Run, SaysThatItDiverged) {
  TestRun run;
  run.spec.mutable_train()->mutable_optimizer()->set_learning_rate(1e30f);
  run.spec.mutable_train()->mutable_optimizer()->set_max_grad_norm(0);
  run.spec.mutable_train()->mutable_optimizer()->set_warmup_steps(0);
  expect_failed(run, "train.diverged");
}

TEST(Run, AFullDiskIsToldOfAndTheRunGoesOnWhenThereIsSpace) {
  TestRun undisturbed;
  complete(undisturbed);
  TestRun run;
  run.write();
  // Room for one checkpoint (some 520 kB) and the record, not for two.
  if (::mount("tmpfs", run.folder.path().c_str(), "tmpfs", 0, "size=900k") != 0) {
    ASSERT_FALSE(must_mount()) << "may not mount";
    GTEST_SKIP() << "may not mount";
  }
  run.write();
  const int code = Child(run).wait();
  std::vector<v1::Event> events = run.events();
  EXPECT_EQ(::mount("tmpfs", run.folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=20m"), 0);
  const int later = Child(run).wait();
  const Curve curve = curve_of(run.events());
  EXPECT_EQ(::umount(run.folder.path().c_str()), 0);
  EXPECT_EQ(code, kFailedCode);
  ASSERT_TRUE(events.back().has_failed());
  EXPECT_EQ(events.back().failed().code(), "io.disk-full");
  EXPECT_EQ(later, kCompletedCode);
  EXPECT_EQ(curve, curve_of(undisturbed.events()));
}

TEST(Run, EvaluatesAFileWithAndWithoutAnAdapter) {
  TestRun trained;
  trained.use_lora();
  trained.spec.mutable_train()->set_steps(40);
  complete(trained);
  const train::LoadedCheckpoint result = train::read_checkpoint(trained.folder.result(), "run-1");

  const auto evaluate = [&](bool with_adapter) {
    TestRun run;
    run.spec.clear_train();
    run.spec.mutable_evaluate()->set_batch_size(3);
    if (with_adapter) {
      v1::LoraConfig& adapter = *run.spec.mutable_adapter();
      *adapter.mutable_targets() = result.manifest.lora_targets();
      *adapter.mutable_init_segment() = result.manifest.weights(0);
      adapter.set_init_sha256(run.store_bytes(read_all(result.weights[0].path, 10 << 20)));
    }
    run.write();
    EXPECT_EQ(Child(run).wait(), kCompletedCode);
    const std::vector<v1::Event> found = only(run.events(), &v1::Event::has_evaluation);
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? 0.0f : found[0].evaluation().loss();
  };
  const float before = evaluate(false);
  const float after = evaluate(true);
  EXPECT_GT(before, 1.0f);
  EXPECT_LT(after, before - 0.1f);
}

TEST(Run, GeneratesTheSameTextForTheSameSeed) {
  const auto generate = [](std::uint64_t seed, float temperature) {
    TestRun run;
    run.spec.clear_train();
    run.spec.clear_data();
    v1::GenerateTask& task = *run.spec.mutable_generate();
    task.add_prompts("hello world");
    task.set_max_tokens(20);
    task.set_temperature(temperature);
    task.set_seed(seed);
    run.write();
    EXPECT_EQ(Child(run).wait(), kCompletedCode);
    const std::vector<v1::Event> found = only(run.events(), &v1::Event::has_sample);
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? v1::Sample() : found[0].sample();
  };
  const v1::Sample a = generate(1, 1.0f);
  EXPECT_EQ(a.prompt(), "hello world");
  EXPECT_GT(a.tokens(), 0u);
  EXPECT_EQ(generate(1, 1.0f).text(), a.text());
  EXPECT_NE(generate(2, 1.0f).text(), a.text());
  EXPECT_EQ(generate(1, 0).text(), generate(2, 0).text());
}

}  // namespace
}  // namespace mft::session
