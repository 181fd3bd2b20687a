// Questions with choices as a model is asked them, from JSON Lines: DATA_FORMAT_CHOICES, or the task
// records of run.proto's ChoiceTask.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mft/v1/run.pb.h"
#include "text/choice_prompt.h"
#include "text/json_reader.h"
#include "text/line_source.h"

namespace mft::train {

// What stands before the choices, and each of them as it goes on from there.
struct ChoiceRecord {
  std::string context;
  std::vector<std::string> continuations;  // " " + choice, at least two
  std::vector<std::uint32_t> characters;   // code points of each choice, above 0
  std::uint32_t answer = 0;
  std::string group;
};

class ChoiceReader {
 public:
  // source outlives it. format: DATA_FORMAT_CHOICES, else task records. fields: other names in
  // DATA_FORMAT_CHOICES.
  ChoiceReader(LineSource& source, v1::DataFormat format, v1::ChoiceTask::Method method, ChoiceFields fields);

  // The next question; false: there is none. Failure data.bad-record, data.not-utf8.
  bool next(ChoiceRecord& record);
  // Failure data.bad-record at the line of the record that next() gave last.
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const;

 private:
  void render(ChoiceRecord& record);
  bool read_task_record(ChoiceRecord& record);  // false: it was a prefix

  JsonReader json_;
  v1::DataFormat format_;
  bool letters_;
  ChoiceFields fields_;
  std::string prefix_;
};

}  // namespace mft::train
