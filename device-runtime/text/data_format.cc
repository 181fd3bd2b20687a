#include "text/data_format.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/json_reader.h"

namespace mft {
namespace {

struct FormatName {
  v1::DataFormat format;
  const char* name;
};
constexpr FormatName kNames[] = {
    {v1::DATA_FORMAT_TEXT, "text"},         {v1::DATA_FORMAT_TEXTS, "texts"},
    {v1::DATA_FORMAT_MESSAGES, "messages"}, {v1::DATA_FORMAT_PROMPT_COMPLETION, "prompt_completion"},
    {v1::DATA_FORMAT_CHOICES, "choices"},   {v1::DATA_FORMAT_IDS, "ids"},
    {v1::DATA_FORMAT_SEGMENTS, "segments"}};

struct Shape {
  v1::DataFormat format;
  std::vector<std::string> fields;  // all of these
};

std::vector<Shape> shapes(const FieldNames& names) {
  return {{v1::DATA_FORMAT_TEXTS, {names.text}},
          {v1::DATA_FORMAT_PROMPT_COMPLETION, {names.prompt, names.completion}},
          {v1::DATA_FORMAT_MESSAGES, {names.messages}},
          {v1::DATA_FORMAT_CHOICES, {names.choice.question, names.choice.choices, names.choice.answer}},
          {v1::DATA_FORMAT_IDS, {names.input_ids}},
          {v1::DATA_FORMAT_SEGMENTS, {names.segments}}};
}

bool named_as_json(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return name.ends_with(".jsonl") || name.ends_with(".json") || name.ends_with(".ndjson");
}

// Formats whose fields the object that comes next all has.
std::vector<v1::DataFormat> matching(JsonReader& json, const std::vector<Shape>& all) {
  std::vector<std::vector<bool>> seen;
  for (const Shape& shape : all) seen.emplace_back(shape.fields.size(), false);
  std::string key;
  json.begin_object("");
  while (json.next_key(key)) {
    for (std::size_t s = 0; s < all.size(); ++s) {
      for (std::size_t f = 0; f < all[s].fields.size(); ++f) {
        if (key == all[s].fields[f]) seen[s][f] = true;
      }
    }
    json.skip();
  }
  json.end_record();
  std::vector<v1::DataFormat> found;
  for (std::size_t s = 0; s < all.size(); ++s) {
    if (std::find(seen[s].begin(), seen[s].end(), false) == seen[s].end()) found.push_back(all[s].format);
  }
  return found;
}

std::string list_of(const std::vector<Shape>& all) {
  std::string list;
  for (const Shape& shape : all) {
    list += list.empty() ? "{" : ", {";
    for (std::size_t i = 0; i < shape.fields.size(); ++i)
      list += (i > 0 ? ", \"" : "\"") + shape.fields[i] + "\"";
    list += "}";
  }
  return list;
}

}  // namespace

FieldNames field_names(const v1::RecordFields& fields) {
  FieldNames names;
  const std::pair<const char*, std::string*> known[] = {
      {"text", &names.text},
      {"prompt", &names.prompt},
      {"completion", &names.completion},
      {"messages", &names.messages},
      {"question", &names.choice.question},
      {"choices", &names.choice.choices},
      {"answer", &names.choice.answer},
      {"input_ids", &names.input_ids},
      {"labels", &names.labels},
      {"segments", &names.segments},
  };
  for (const auto& [usual, name] : fields.names()) {
    const auto entry = std::find_if(std::begin(known), std::end(known),
                                    [&, &field = usual](const auto& one) { return field == one.first; });
    if (entry == std::end(known))
      throw Failure("spec.invalid", "data.fields renames '" + usual + "', which is no field of a record");
    if (name.empty() || name.size() > JsonReader::kMaxKeyBytes)
      throw Failure("spec.invalid", "data.fields." + usual + " is empty or too long");
    *entry->second = name;
  }
  return names;
}

std::string format_name(v1::DataFormat format) {
  for (const FormatName& entry : kNames) {
    if (entry.format == format) return entry.name;
  }
  return "unknown";
}

v1::DataFormat recognize_format(ByteReader read, const std::string& name, const FieldNames& fields) {
  const std::vector<Shape> all = shapes(fields);
  const bool must_be_json = named_as_json(name);
  std::vector<v1::DataFormat> found;
  try {
    LineSource source(std::move(read), name);
    JsonReader json(source);
    if (!json.next_record()) {
      if (!must_be_json) return v1::DATA_FORMAT_TEXT;
      throw Failure("data.empty", name + " has no record", "Give a file with something to learn from.");
    }
    found = matching(json, all);
    if (found.size() == 1) return found[0];
    if (!found.empty()) {
      throw Failure("data.format",
                    name + " line " + std::to_string(source.line()) + " has the fields of two formats: " +
                        format_name(found[0]) + " and " + format_name(found[1]),
                    "Set data.format to the one that is meant.");
    }
    if (!must_be_json) return v1::DATA_FORMAT_TEXT;
    throw Failure("data.format",
                  name + " line " + std::to_string(source.line()) +
                      ": expected an object with the fields of one format, found one with those of none; "
                      "known are " +
                      list_of(all),
                  "Name the fields with data.fields, or set data.format: text to learn the file as it "
                  "stands.");
  } catch (const Failure& failure) {
    const bool no_json = failure.code() == "data.bad-record" || failure.code() == "data.not-utf8";
    if (no_json && !must_be_json) return v1::DATA_FORMAT_TEXT;
    throw;
  }
}

}  // namespace mft
