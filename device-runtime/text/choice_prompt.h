// Questions with answers to choose from, and the prompt that shows them, as lm-evaluation-harness's MMLU has
// it. Training (DATA_FORMAT_CHOICES) and evaluation by letter show the same prompt.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "text/json_reader.h"

namespace mft {

inline constexpr std::size_t kMaxChoices = 26;

struct ChoiceQuestion {
  std::string question;
  std::vector<std::string> choices;  // 2 .. kMaxChoices
  std::size_t answer = 0;            // < choices.size()
};

// The names of the three fields in the file.
struct ChoiceFields {
  std::string question = "question";
  std::string choices = "choices";
  std::string answer = "answer";
};

// One record {"question": string, "choices": list of strings, "answer": A}, whose object comes next. A is an
// index from 0, a letter, or the text of one of the choices. Other fields are skipped. Failure
// data.bad-record.
ChoiceQuestion read_choice_question(JsonReader& json, const ChoiceFields& fields);

// "Q\nA. first\nB. second\nAnswer:", Q without white space around it.
std::string choice_prompt(const ChoiceQuestion& question);
// "A" for 0. What follows the prompt is " " + letter.
std::string choice_letter(std::size_t index);

}  // namespace mft
