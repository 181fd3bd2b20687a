// Conversations and generation with the whole runtime, each in a process of its own, as on a phone.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "session/frames.h"
#include "session/run.h"
#include "session/test_child.h"
#include "session/test_client.h"
#include "session/test_run.h"

namespace mft::session {
namespace {

class ChatTest : public testing::Test {
 protected:
  ChatTest() {
    run.spec.clear_train();
    run.spec.clear_data();
    v1::ChatTask& task = *run.spec.mutable_chat();
    task.set_context_length(64);
    task.mutable_sampling()->set_max_tokens(6);
    task.mutable_sampling()->set_ignore_eos(true);
  }

  static v1::Control say(std::uint64_t id, const std::string& text, std::uint32_t max_tokens = 0) {
    v1::Control control;
    control.set_id(id);
    control.mutable_say()->set_text(text);
    control.mutable_say()->set_max_tokens(max_tokens);
    return control;
  }
  static v1::Control stop(std::uint64_t id) {
    v1::Control control;
    control.set_id(id);
    control.mutable_stop();
    return control;
  }
  static v1::Control interrupt(std::uint64_t id) {
    v1::Control control;
    control.set_id(id);
    control.mutable_interrupt();
    return control;
  }

  static bool answers(const v1::Event& event, std::uint64_t id) {
    return event.has_sample() && event.sample().control_id() == id;
  }
  // The answer to what was said under this id, as it comes to a host.
  static v1::Sample answer(TestClient& client, std::uint64_t id) {
    const auto event = client.until([&](const v1::Event& e) { return answers(e, id); });
    EXPECT_TRUE(event) << id;
    return event ? event->sample() : v1::Sample();
  }
  static v1::ControlApplied acknowledgement(TestClient& client, std::uint64_t id) {
    const auto event = client.until([&](const v1::Event& e) {
      return e.has_control_applied() && e.control_applied().control_id() == id;
    });
    EXPECT_TRUE(event) << id;
    return event ? event->control_applied() : v1::ControlApplied();
  }
  // The pieces of an answer, put together, of the newest attempt.
  std::string pieces(std::uint64_t id) const {
    std::string text;
    std::uint32_t attempt = 0;
    for (const v1::Event& event : run.events()) {
      if (!event.has_text_delta() || event.text_delta().control_id() != id) continue;
      if (event.id().attempt() != attempt) text.clear();
      attempt = event.id().attempt();
      text += event.text_delta().text();
    }
    return text;
  }
  int answered(std::uint64_t id) const {
    int count = 0;
    for (const v1::Event& event : run.events()) count += answers(event, id) ? 1 : 0;
    return count;
  }

  TestRun run;
};

TEST_F(ChatTest, KeepsWhatWasComputedAndAnswersAsFromNothing) {
  run.write();
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  client.control(say(1, "hello world, the aa"));
  const v1::Sample first = answer(client, 1);
  EXPECT_EQ(first.tokens(), 6u);
  EXPECT_EQ(first.end(), v1::Sample::END_MAX_TOKENS);
  EXPECT_EQ(first.reused_tokens(), 0u);
  EXPECT_GT(first.prompt_tokens(), 3u);
  EXPECT_EQ(first.text(), pieces(1));
  const std::string second = "hello world, the aa" + first.text() + " and";
  client.control(say(2, second));
  const v1::Sample next = answer(client, 2);
  EXPECT_GE(next.reused_tokens(), first.prompt_tokens() - 1);
  EXPECT_LT(next.reused_tokens(), next.prompt_tokens());
  client.control(say(3, "hello world, the aa", 3));  // the beginning again, and fewer tokens
  const v1::Sample third = answer(client, 3);
  EXPECT_EQ(third.tokens(), 3u);
  EXPECT_EQ(first.text().substr(0, third.text().size()), third.text());
  client.control(stop(4));
  EXPECT_TRUE(acknowledgement(client, 4).accepted());
  client.close_sending();
  EXPECT_EQ(child.wait(), kStoppedCode);

  // Another process, whose cache knows nothing of it.
  TestRun fresh("run-2");
  *fresh.spec.mutable_chat() = run.spec.chat();
  fresh.spec.clear_data();
  fresh.write();
  Child other(fresh);
  TestClient asker(socket_name("run-2"));
  asker.hello(fresh.token);
  asker.control(say(1, second));
  const v1::Sample same = answer(asker, 1);
  EXPECT_EQ(same.reused_tokens(), 0u);
  EXPECT_EQ(same.text(), next.text());
}

TEST_F(ChatTest, WhatIsSaidIsAnsweredOnceAndNotRecordedBesideIt) {
  run.write();
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  for (int i = 0; i < 3; ++i) client.control(say(1, "hello the world"));
  const v1::Sample first = answer(client, 1);
  client.control(say(1, "hello the world"));
  EXPECT_TRUE(acknowledgement(client, 1).accepted());
  client.control(say(2, "hello"));
  answer(client, 2);
  EXPECT_EQ(answered(1), 1);
  EXPECT_FALSE(first.text().empty());
  for (const v1::Event& event : only(run.events(), &v1::Event::has_control_applied)) {
    EXPECT_EQ(event.control_applied().control().say().text(), "");
  }
}

TEST_F(ChatTest, ALostHostFindsTheWholeAnswerWhenItComesBack) {
  run.spec.mutable_chat()->mutable_sampling()->set_max_tokens(50);
  run.write();
  Child child(run);
  Position seen;
  {
    TestClient client(socket_name("run-1"));
    client.hello(run.token);
    client.control(say(1, "hello"));
    const auto piece = client.until([](const v1::Event& e) { return e.has_text_delta(); });
    ASSERT_TRUE(piece);
    seen = position_of(piece->id());
  }
  TestClient again(socket_name("run-1"));
  again.hello(run.token, seen);
  again.control(say(1, "hello"));
  const std::string whole = answer(again, 1).text();
  EXPECT_EQ(whole, pieces(1));
  again.control(say(2, "hello"));  // answered after everything that was said before
  answer(again, 2);
  EXPECT_EQ(answered(1), 1);
}

TEST_F(ChatTest, InterruptEndsTheAnswerAndNoOther) {
  run.spec.mutable_chat()->mutable_sampling()->set_max_tokens(60);
  run.spec.mutable_chat()->set_context_length(64);
  run.write();
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  client.control(interrupt(1));
  EXPECT_EQ(acknowledgement(client, 1).message(), "no answer is being written");
  // Both before the first token: neither is to be answered further.
  std::string frames;
  for (const v1::Control& control : {say(2, "hello"), interrupt(3)}) {
    v1::HostFrame frame;
    *frame.mutable_control() = control;
    append_frame(frames, frame.SerializeAsString());
  }
  client.send(frames);
  const v1::Sample cut = answer(client, 2);
  EXPECT_EQ(cut.end(), v1::Sample::END_INTERRUPTED);
  EXPECT_LT(cut.tokens(), 60u);
  EXPECT_EQ(cut.text(), pieces(2));
  client.control(say(4, "hello"));
  EXPECT_EQ(answer(client, 4).end(), v1::Sample::END_MAX_TOKENS);
}

TEST_F(ChatTest, AFullContextIsToldOfAndTheConversationGoesOn) {
  run.spec.mutable_chat()->set_context_length(12);
  run.write();
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  std::string text = "hello";
  for (int i = 0; i < 20; ++i) text += " world";
  client.control(say(1, text));
  const v1::Sample full = answer(client, 1);
  EXPECT_EQ(full.end(), v1::Sample::END_CONTEXT_FULL);
  EXPECT_EQ(full.tokens(), 0u);
  EXPECT_GT(full.prompt_tokens(), 12u);
  client.control(say(2, "hello", 50));
  const v1::Sample cut = answer(client, 2);
  EXPECT_EQ(cut.end(), v1::Sample::END_CONTEXT_FULL);
  EXPECT_EQ(cut.prompt_tokens() + cut.tokens(), 12u);
  client.control(say(3, ""));
  const v1::ControlApplied refused = acknowledgement(client, 3);
  EXPECT_FALSE(refused.accepted());
  EXPECT_EQ(refused.message(), "nothing was said");
  client.control(say(4, "hello", 2));
  EXPECT_EQ(answer(client, 4).tokens(), 2u);
}

TEST_F(ChatTest, AStopTextEndsAnAnswer) {
  run.write();
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  client.control(say(1, "hello", 40));
  const std::string text = answer(client, 1).text();
  const std::string stop_text = " the";
  ASSERT_NE(text.find(stop_text), std::string::npos) << text;

  TestRun stopped("run-2");
  *stopped.spec.mutable_chat() = run.spec.chat();
  stopped.spec.mutable_chat()->mutable_sampling()->add_stop(stop_text);
  stopped.spec.clear_data();
  stopped.write();
  Child other(stopped);
  TestClient asker(socket_name("run-2"));
  asker.hello(stopped.token);
  asker.control(say(1, "hello", 40));
  const v1::Sample cut = answer(asker, 1);
  EXPECT_EQ(cut.end(), v1::Sample::END_STOP_TEXT);
  EXPECT_EQ(cut.text(), text.substr(0, text.find(stop_text)));
}

TEST_F(ChatTest, AKilledProcessGoesOnWhereTheConversationIs) {
  run.spec.mutable_chat()->mutable_sampling()->set_max_tokens(50);
  run.write();
  std::string whole;
  {
    Child child(run);
    TestClient client(socket_name("run-1"));
    client.hello(run.token);
    client.control(say(1, "hello"));
    whole = answer(client, 1).text();
    client.control(say(2, "hello"));
    ASSERT_TRUE(client.until([](const v1::Event& e) {
      return e.has_text_delta() && e.text_delta().control_id() == 2;
    }));
    child.kill(SIGKILL);
    child.wait();
  }
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  client.control(say(1, "hello"));  // answered in its first life
  client.control(say(2, "hello"));  // perhaps not: then it is, from the beginning
  EXPECT_EQ(answer(client, 2).text(), whole);
  client.control(say(3, "hello"));
  answer(client, 3);
  EXPECT_EQ(answered(1), 1);
  EXPECT_EQ(answered(2), 1);
  EXPECT_EQ(pieces(2), whole);
}

TEST_F(ChatTest, EndsByItselfWithoutAHostAndCanBeTakenUpAgain) {
  run.spec.mutable_chat()->set_idle_seconds(1);
  run.write();
  {
    Child child(run);
    TestClient client(socket_name("run-1"));
    client.hello(run.token);
    client.control(say(1, "hello"));
    answer(client, 1);
    ::usleep(1'500'000);  // a host that says nothing keeps it
    EXPECT_TRUE(read_status(run.folder).alive());
    client.control(say(2, "hello"));
    answer(client, 2);
    client.close_sending();
    EXPECT_EQ(child.wait(), kStoppedCode);
  }
  const std::vector<v1::Event> events = run.events();
  EXPECT_EQ(events.back().finished().outcome(), v1::Finished::OUTCOME_STOPPED);
  bool told = false;
  for (const v1::Event& event : only(events, &v1::Event::has_state_changed)) {
    told |= event.state_changed().reason() == "no host for 1 seconds";
  }
  EXPECT_TRUE(told);
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  client.control(say(3, "hello"));
  EXPECT_EQ(answer(client, 3).tokens(), 6u);
}

TEST_F(ChatTest, OtherControlsDoWhatTheyCan) {
  run.write();
  Child child(run);
  TestClient client(socket_name("run-1"));
  client.hello(run.token);
  v1::Control threads, checkpoint;
  threads.set_id(1);
  threads.mutable_set_threads()->set_threads(2);
  checkpoint.set_id(2);
  checkpoint.mutable_checkpoint();
  client.control(threads);
  EXPECT_EQ(acknowledgement(client, 1).message(), "2 threads");
  client.control(checkpoint);
  EXPECT_FALSE(acknowledgement(client, 2).accepted());
  client.control(say(3, "hello"));
  EXPECT_EQ(answer(client, 3).tokens(), 6u);
}

v1::GenerateTask& generation(TestRun& run) {
  run.spec.clear_train();
  run.spec.clear_data();
  v1::GenerateTask& task = *run.spec.mutable_generate();
  task.set_max_tokens(20);
  task.set_temperature(1);
  task.set_ignore_eos(true);
  return task;
}

std::vector<v1::Sample> samples_of(TestRun& run) {
  complete(run);
  std::vector<v1::Sample> samples;
  for (const v1::Event& event : only(run.events(), &v1::Event::has_sample)) samples.push_back(event.sample());
  return samples;
}

TEST(Generate, ContinuesEachPromptAsIfAlone) {
  TestRun both, alone;
  v1::GenerateTask& task = generation(both);
  task.add_prompts("hello world");
  task.add_prompts("hello world, the aa");
  task.set_temperature(0);
  task.set_stream(true);
  const std::vector<v1::Sample> samples = samples_of(both);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[1].prompt_index(), 1u);
  EXPECT_EQ(samples[1].prompt(), "hello world, the aa");
  std::string streamed[2];
  for (const v1::Event& event : only(both.events(), &v1::Event::has_text_delta)) {
    streamed[event.text_delta().prompt_index()] += event.text_delta().text();
  }
  EXPECT_EQ(streamed[0], samples[0].text());
  EXPECT_EQ(streamed[1], samples[1].text());
  v1::GenerateTask& one = generation(alone);
  one.add_prompts("hello world, the aa");
  one.set_temperature(0);
  EXPECT_EQ(samples_of(alone)[0].text(), samples[1].text());
  EXPECT_TRUE(only(alone.events(), &v1::Event::has_text_delta).empty());
}

TEST(Generate, TheSamePromptTwiceGivesTwoTexts) {
  TestRun run;
  v1::GenerateTask& task = generation(run);
  task.add_prompts("hello");
  task.add_prompts("hello");
  const std::vector<v1::Sample> samples = samples_of(run);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_NE(samples[0].text(), samples[1].text());
}

TEST(Generate, EndsAtAnyOfTheModelsEnds) {
  TestRun plain, ended;
  generation(plain).add_prompts("hello");
  const std::string text = samples_of(plain)[0].text();
  // The first token that was written, named as an end.
  Tokenizer tokenizer = Tokenizer::from_bytes(tiny_bytes());
  v1::GenerateTask& task = generation(ended);
  task.add_prompts("hello");
  task.set_ignore_eos(false);
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.decode({id}).empty() && text.starts_with(tokenizer.decode({id}))) {
      task.add_eos(static_cast<std::uint32_t>(id));
    }
  }
  const v1::Sample sample = samples_of(ended)[0];
  EXPECT_EQ(sample.end(), v1::Sample::END_OF_SEQUENCE);
  EXPECT_EQ(sample.tokens(), 0u);
  EXPECT_EQ(sample.text(), "");
}

TEST(Generate, ALongPromptIsReadInPartsAndOneTooLongRefused) {
  TestRun run;
  std::string prompt;
  for (int i = 0; i < 13; ++i) prompt += "aa ab ";
  v1::GenerateTask& task = generation(run);
  task.add_prompts(prompt);
  const v1::Sample sample = samples_of(run)[0];
  EXPECT_EQ(sample.end(), v1::Sample::END_CONTEXT_FULL);
  EXPECT_EQ(sample.prompt_tokens() + sample.tokens(), 64u);  // the model's positions

  TestRun longer;
  generation(longer).add_prompts(prompt + prompt + prompt);
  longer.write();
  EXPECT_EQ(Child(longer).wait(), kFailedCode);
  EXPECT_EQ(longer.events().back().failed().code(), "generate.prompt-too-long");
}

}  // namespace
}  // namespace mft::session
