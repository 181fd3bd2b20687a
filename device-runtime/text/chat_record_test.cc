#include "text/chat_record.h"

#include <gtest/gtest.h>

#include "text/test_records.h"

namespace mft {
namespace {

v1::ChatTemplate::Turn turn(const std::string& before, const std::string& end, const std::string& after) {
  v1::ChatTemplate::Turn turn;
  turn.set_supported(true);
  turn.set_before(before);
  turn.set_end(end);
  turn.set_after(after);
  return turn;
}

// In the manner of ChatML.
v1::ChatTemplate open_template() {
  v1::ChatTemplate chat;
  chat.set_default_system("<s>Be good.</s>\n");
  *chat.mutable_system() = turn("<s>", "</s>", "\n");
  *chat.mutable_user() = turn("<u>", "</u>", "\n");
  *chat.mutable_assistant() = turn("<a>", "</a>", "\n");
  return chat;
}

// In the manner of Gemma's.
v1::ChatTemplate strict_template() {
  v1::ChatTemplate chat;
  chat.set_begin("<bos>");
  *chat.mutable_user() = turn("<u>", "</u>", "\n");
  *chat.mutable_assistant() = turn("<a>", "</a>", "\n");
  chat.set_system_in_user(true);
  chat.set_system_joint("\n\n");
  chat.set_trim(true);
  chat.set_system_untrimmed(true);
  chat.set_alternate(true);
  return chat;
}

std::string message(const std::string& role, const std::string& content) {
  return R"({"role":")" + role + R"(","content":")" + content + "\"}";
}

std::string line(const std::vector<std::string>& messages) {
  std::string text;
  for (const std::string& one : messages) text += (text.empty() ? "" : ",") + one;
  return "{\"messages\":[" + text + "]}";
}

RecordRules rules(const v1::ChatTemplate& chat, bool learn_all = false) {
  RecordRules rules;
  rules.format = v1::DATA_FORMAT_MESSAGES;
  rules.chat = chat;
  rules.learn_all = learn_all;
  return rules;
}

std::string rendered(const v1::ChatTemplate& chat, const std::vector<std::string>& messages, bool learn_all = false) {
  const std::vector<Record> records = records_of(line(messages), rules(chat, learn_all));
  EXPECT_EQ(records.size(), 1u);
  EXPECT_FALSE(records[0].begins);
  EXPECT_FALSE(records[0].ends);
  return shown(records[0].pieces);
}

std::string error(const v1::ChatTemplate& chat, const std::vector<std::string>& messages) {
  return record_error(line(messages), rules(chat));
}

TEST(ChatRecord, IsRenderedInStretchesOfWhatIsLearned) {
  const v1::ChatTemplate chat = open_template();
  EXPECT_EQ(rendered(chat, {message("user", " hi "), message("assistant", "yo")}),
            "<s>Be good.</s>\n<u> hi </u>\n<a>|[yo</a>]\n|");
  EXPECT_EQ(rendered(chat, {message("system", "S"), message("user", "1"), message("assistant", "2"),
                            message("user", "3"), message("assistant", "")}),
            "<s>S</s>\n<u>1</u>\n<a>|[2</a>]\n<u>3</u>\n<a>|[</a>]\n|");
  EXPECT_EQ(rendered(chat, {message("user", "hi"), message("assistant", "yo")}, true),
            "[<s>Be good.</s>\n<u>hi</u>\n<a>yo</a>\n]");
  // The order of fields, other fields, and two of one role in a row are nothing to it.
  EXPECT_EQ(rendered(chat, {R"({"content":"x","name":"n","role":"user"})", message("user", "y")}),
            "<s>Be good.</s>\n<u>x</u>\n<u>y</u>\n|");
}

TEST(ChatRecord, ASystemMessageMayStandInTheFirstUserMessage) {
  const v1::ChatTemplate chat = strict_template();
  EXPECT_EQ(rendered(chat, {message("system", " S "), message("user", " \\n1 "), message("assistant", " 2\\t"),
                            message("user", "3"), message("assistant", "4")}),
            "<bos><u> S \n\n1</u>\n<a>|[2</a>]\n<u>3</u>\n<a>|[4</a>]\n|");
  EXPECT_EQ(rendered(chat, {message("user", "1")}), "<bos><u>1</u>\n|");
}

TEST(ChatRecord, RefusesWhatTheTemplateRefuses) {
  const std::string at = "data.bad-record: data.jsonl line 1: expected ";
  const v1::ChatTemplate strict = strict_template();
  EXPECT_EQ(error(strict, {message("assistant", "a")}),
            at + "a user's message first, and after each of the assistant's, found role \"assistant\"");
  EXPECT_EQ(error(strict, {message("user", "a"), message("user", "b")}),
            at + "an assistant's message after a user's, found role \"user\"");
  EXPECT_EQ(error(strict, {message("user", "a"), message("assistant", "b"), message("assistant", "c")}),
            at + "a user's message first, and after each of the assistant's, found role \"assistant\"");
  EXPECT_EQ(error(strict, {message("system", "a")}), at + "a user's message after the system message, found none");
  EXPECT_EQ(error(strict, {message("user", "a"), message("system", "b")}),
            at + "a system message as the first only, found one further behind");
  EXPECT_EQ(error(strict, {message("tool", "a")}),
            at + "\"system\", \"user\" or \"assistant\" as \"role\", found another");
  EXPECT_EQ(error(strict, {}), at + "at least one message, found an empty list");
  v1::ChatTemplate no_system = open_template();
  no_system.mutable_system()->set_supported(false);
  EXPECT_EQ(error(no_system, {message("system", "a"), message("user", "b")}),
            at + "a role that the model's chat template has, found role \"system\", which it refuses");
  v1::ChatTemplate joint = strict;
  joint.set_alternate(false);
  EXPECT_EQ(error(joint, {message("system", "a"), message("assistant", "b")}),
            at + "a user's message after the system message, found role \"assistant\"");
}

TEST(ChatRecord, RefusesWhatIsNoMessage) {
  const std::string at = "data.bad-record: data.jsonl line 1: expected ";
  const v1::ChatTemplate chat = open_template();
  EXPECT_EQ(error(chat, {"1"}), at + "an object in field \"messages\", found a number");
  EXPECT_EQ(error(chat, {"{}"}), at + "\"role\" in each message of field \"messages\", found none");
  EXPECT_EQ(error(chat, {R"({"role":"user"})"}),
            at + "\"content\" in each message of field \"messages\", found none");
  EXPECT_EQ(error(chat, {R"({"role":"user","content":[{"type":"text","text":"a"}]})"}),
            at + "a string in \"content\" of a message of field \"messages\", found a list");
  EXPECT_EQ(error(chat, {R"({"role":"user","role":"user","content":""})"}),
            at + "\"role\" once in a message of field \"messages\", found it twice");
  EXPECT_EQ(record_error("{\"messages\":{}}", rules(chat)), at + "a list in field \"messages\", found an object");
  RecordRules none = rules(chat);
  none.chat.reset();
  none.chat_refusal = "it asks for the date";
  EXPECT_EQ(record_error("", none),
            "data.chat-template: data.jsonl has conversations, but the model has no chat template that can be used: it "
            "asks for the date");
}

}  // namespace
}  // namespace mft
