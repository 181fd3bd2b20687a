#include "train/choice_reader.h"

#include <algorithm>
#include <utility>

#include "text/white_space.h"

namespace mft::train {
namespace {

constexpr std::size_t kMaxTaskChoices = 1024;

std::uint32_t code_points(std::string_view utf8) {
  const auto begins_one = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return static_cast<std::uint32_t>(std::count_if(utf8.begin(), utf8.end(), begins_one));
}

}  // namespace

ChoiceReader::ChoiceReader(LineSource& source, v1::DataFormat format, v1::ChoiceTask::Method method,
                           ChoiceFields fields)
    : json_(source),
      format_(format),
      letters_(method != v1::ChoiceTask::METHOD_LIKELIHOOD),
      fields_(std::move(fields)) {}

void ChoiceReader::fail(const std::string& expected, const std::string& found) const {
  json_.fail(expected, found);
}

bool ChoiceReader::next(ChoiceRecord& record) {
  while (json_.next_record()) {
    record = {};
    if (format_ == v1::DATA_FORMAT_CHOICES) {
      render(record);
    } else if (!read_task_record(record)) {
      continue;
    }
    for (const std::string& continuation : record.continuations) {
      const std::uint32_t characters = code_points(continuation) - 1;
      if (characters == 0) fail("a choice with some text", "an empty one");
      record.characters.push_back(characters);
    }
    return true;
  }
  return false;
}

void ChoiceReader::render(ChoiceRecord& record) {
  const ChoiceQuestion question = read_choice_question(json_, fields_);
  json_.end_record();
  record.answer = static_cast<std::uint32_t>(question.answer);
  record.context =
      letters_ ? choice_prompt(question) : "Question: " + std::string(strip(question.question)) + "\nAnswer:";
  for (std::size_t i = 0; i < question.choices.size(); ++i)
    record.continuations.push_back(" " + (letters_ ? choice_letter(i) : question.choices[i]));
}

bool ChoiceReader::read_task_record(ChoiceRecord& record) {
  bool has_prefix = false;
  bool has_context = false;
  bool has_choices = false;
  std::int64_t answer = -1;
  std::string key;
  json_.begin_object("");
  while (json_.next_key(key)) {
    const std::string where = "field \"" + key + "\"";
    if (key == "prefix") {
      has_prefix = true;
      json_.read_string(prefix_, where);
    } else if (key == "context") {
      has_context = true;
      json_.read_string(record.context, where);
    } else if (key == "group") {
      json_.read_string(record.group, where);
    } else if (key == "answer") {
      answer = json_.read_integer(where);
    } else if (key == "choices") {
      has_choices = true;
      record.continuations.clear();
      json_.begin_list(where);
      while (json_.next_element()) {
        if (record.continuations.size() == kMaxTaskChoices)
          fail("at most " + std::to_string(kMaxTaskChoices) + " choices", "more");
        std::string choice;
        json_.read_string(choice, where);
        record.continuations.push_back(" " + choice);
      }
    } else {
      json_.skip();
    }
  }
  json_.end_record();
  if (has_prefix) {
    if (has_context || has_choices) fail("a \"prefix\" in a line of its own", "a question beside it");
    return false;
  }
  if (!has_context) fail("field \"context\"", "none");
  if (record.continuations.size() < 2)
    fail("at least 2 choices in field \"choices\"", std::to_string(record.continuations.size()));
  if (answer < 0 || static_cast<std::uint64_t>(answer) >= record.continuations.size())
    fail("the index of one of the choices in field \"answer\"", answer < 0 ? "none" : "another number");
  record.answer = static_cast<std::uint32_t>(answer);
  record.context = prefix_ + record.context;
  return true;
}

}  // namespace mft::train
