// Errors a person can act on. A Failure ends the task; its fields become the run's Failed event (proto
// session.Failed). What this file does not do: recover. Whoever can, catches; nobody swallows.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace mft {

// What messages quote may come from anybody: without control characters (line feeds and tabs stay), and not endless.
std::string readable(std::string_view text);

class Failure : public std::runtime_error {
 public:
  // code: stable and dotted ("io.disk-full", "model.tensor-missing"); hint: what to do next, one sentence. The message
  // is made readable.
  Failure(std::string code, const std::string& message, std::string hint = "")
      : std::runtime_error(readable(message)), code_(std::move(code)), hint_(std::move(hint)) {}
  const std::string& code() const { return code_; }
  const std::string& hint() const { return hint_; }

 private:
  std::string code_;
  std::string hint_;
};

}  // namespace mft
