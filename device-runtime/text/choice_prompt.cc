#include "text/choice_prompt.h"

#include <algorithm>
#include <optional>

#include "text/white_space.h"

namespace mft {
namespace {

std::string quoted(const std::string& name) { return "field \"" + name + "\""; }

// As it stands in the file: what it means is known when the choices are, which may stand behind it.
struct Answer {
  std::optional<std::int64_t> number;
  std::string text;
};

Answer read_answer(JsonReader& json, const std::string& where) {
  Answer answer;
  const JsonType type = json.type(where);
  if (type == JsonType::kNumber) {
    answer.number = json.read_integer(where);
  } else if (type == JsonType::kString) {
    json.read_string(answer.text, where);
  } else {
    json.fail("an index, a letter or one of the choices in " + where, json.found());
  }
  return answer;
}

std::size_t resolve(JsonReader& json, const Answer& answer, const std::vector<std::string>& choices,
                    const std::string& where) {
  const std::string count = std::to_string(choices.size());
  if (answer.number) {
    if (*answer.number >= 0 && static_cast<std::uint64_t>(*answer.number) < choices.size())
      return static_cast<std::size_t>(*answer.number);
    json.fail("the index of one of the " + count + " choices, from 0, in " + where, "another number");
  }
  std::optional<std::size_t> by_letter;
  if (answer.text.size() == 1 && answer.text[0] >= 'A' &&
      static_cast<std::size_t>(answer.text[0] - 'A') < choices.size())
    by_letter = static_cast<std::size_t>(answer.text[0] - 'A');
  const auto same = std::find(choices.begin(), choices.end(), answer.text);
  if (same == choices.end()) {
    if (by_letter) return *by_letter;
    json.fail("a letter up to " + choice_letter(choices.size() - 1) + " or one of the choices in " + where,
              "another string");
  }
  const auto by_text = static_cast<std::size_t>(same - choices.begin());
  if (by_letter && *by_letter != by_text)
    json.fail("one meaning of the letter in " + where, "also a choice of that text; give its index");
  if (std::find(same + 1, choices.end(), answer.text) != choices.end())
    json.fail("one choice with the text in " + where, "two; give its index");
  return by_text;
}

}  // namespace

ChoiceQuestion read_choice_question(JsonReader& json, const ChoiceFields& fields) {
  ChoiceQuestion question;
  Answer answer;
  bool has_question = false;
  bool has_choices = false;
  bool has_answer = false;
  const auto once = [&](bool& has, const std::string& name) {
    if (has) json.fail(quoted(name) + " once", "it twice");
    has = true;
  };
  std::string key;
  json.begin_object("");
  while (json.next_key(key)) {
    if (key == fields.question) {
      once(has_question, key);
      json.read_string(question.question, quoted(key));
    } else if (key == fields.choices) {
      once(has_choices, key);
      json.begin_list(quoted(key));
      while (json.next_element()) {
        if (question.choices.size() == kMaxChoices)
          json.fail("at most " + std::to_string(kMaxChoices) + " choices", "more");
        json.read_string(question.choices.emplace_back(), quoted(fields.choices));
      }
    } else if (key == fields.answer) {
      once(has_answer, key);
      answer = read_answer(json, quoted(key));
    } else {
      json.skip();
    }
  }
  if (!has_question) json.fail(quoted(fields.question), "none");
  if (!has_choices) json.fail(quoted(fields.choices), "none");
  if (!has_answer) json.fail(quoted(fields.answer), "none");
  if (question.choices.size() < 2)
    json.fail("at least 2 choices", std::to_string(question.choices.size()));
  question.answer = resolve(json, answer, question.choices, quoted(fields.answer));
  return question;
}

std::string choice_prompt(const ChoiceQuestion& question) {
  std::string prompt(strip(question.question));
  for (std::size_t i = 0; i < question.choices.size(); ++i)
    prompt += "\n" + choice_letter(i) + ". " + question.choices[i];
  return prompt + "\nAnswer:";
}

std::string choice_letter(std::size_t index) { return std::string(1, static_cast<char>('A' + index)); }

}  // namespace mft
