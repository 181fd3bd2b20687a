// What a data file holds (run.proto's DataFormat), by what its first record shows. docs/data.md has the
// rules.
#pragma once

#include <string>

#include "mft/v1/run.pb.h"
#include "text/choice_prompt.h"
#include "text/line_source.h"

namespace mft {

// The names of a record's fields in the file.
struct FieldNames {
  std::string text = "text";
  std::string prompt = "prompt";
  std::string completion = "completion";
  std::string messages = "messages";
  ChoiceFields choice;
  std::string input_ids = "input_ids";
  std::string labels = "labels";
  std::string segments = "segments";
};

// The usual ones, but for those that are renamed. Failure spec.invalid when `fields` renames one that no
// record has, or to a name that is empty or too long.
FieldNames field_names(const v1::RecordFields& fields);

// As data.format calls it: "prompt_completion".
std::string format_name(v1::DataFormat format);

// The format of a file: the one whose fields its first line that is not blank has, if that is a JSON object;
// otherwise plain text. Failure data.format: the object has the fields of two formats; or the file's name
// ends as those of JSON do, and its first record has the fields of none. data.bad-record: its name ends so,
// and the line is no JSON object. data.empty: its name ends so, and it has no record.
v1::DataFormat recognize_format(ByteReader read, const std::string& name, const FieldNames& fields);

}  // namespace mft
