// Rows of rope_table and rope.
#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/reference/rows.h"
#include "kernels/rope.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;
using Scaling = RopeFrequencies::Scaling;

Problem table_problem(i64 T, i64 D, const RopeFrequencies& f) {
  Vector exact = zeros<double>(T * D);
  reference::rope_table(T, D, f, exact.data());
  return {[=](ThreadPool&) {
            std::vector<float> angles = zeros(T * D);
            rope_table(T, D, f, angles.data());
            return Outputs{angles};
          },
          {{exact, 1e-7}}};
}

// `inverse` is the backward: the oracle's is the gradient of its forward.
Problem turn_problem(i64 N, i64 heads, i64 D, bool with_positions, bool inverse) {
  const i64 T = 50, ld = heads * D + 7;
  std::vector<float> angles = zeros(T * D);
  rope_table(T, D, {}, angles.data());
  const std::vector<float> x = random_vector(N * ld, 1);
  std::vector<std::int32_t> positions;
  for (i64 n = 0; n < N; ++n) positions.push_back(static_cast<std::int32_t>((n * 7) % T));
  const Vector table = to_double(angles);
  const auto turned = [&](Vector v, bool back) {
    reference::rope(N, heads, D, T, table.data(), with_positions ? positions.data() : nullptr, back, v.data(), ld);
    return v;
  };
  const Vector exact = to_double(x), expected = turned(exact, inverse);
  if (inverse) {
    check_gradient(to_double(random_vector(N * ld, 2)), expected,
                   [&](const Vector& v) { return dot(turned(v, false), exact); });
  }
  return {[=](ThreadPool& pool) {
            std::vector<float> out = x;
            rope(pool, N, heads, D, T, angles.data(), with_positions ? positions.data() : nullptr, inverse,
                 out.data(), ld);
            return Outputs{out};
          },
          {{expected, 1e-6}},
          N * heads * D >= 50000};
}

}  // namespace

void add_rope_rows(Rows& rows) {
  const struct {
    const char* name;
    RopeFrequencies frequencies;
  } kinds[] = {{"plain", {}},
               {"gemma_global", {.base = 1e6}},
               {"linear", {.base = 1e6, .scaling = Scaling::kLinear, .factor = 8.0}},
               {"llama3",
                {.base = 5e5,
                 .scaling = Scaling::kLlama3,
                 .factor = 32.0,
                 .low_factor = 1.0,
                 .high_factor = 4.0,
                 .original_positions = 64.0}}};
  for (const auto& kind : kinds) {
    for (const auto& [T, D] : std::vector<std::pair<i64, i64>>{{1, 2}, {5, 6}, {50, 38}, {130, 64}, {301, 80}}) {
      rows.push_back({"rope_table", std::string(kind.name) + "_" + std::to_string(T) + "x" + std::to_string(D),
                      [=, T = T, D = D, f = kind.frequencies] { return table_problem(T, D, f); }});
    }
  }
  constexpr struct {
    i64 N, heads, D;
  } kShapes[] = {{1, 1, 2}, {3, 2, 6}, {7, 3, 34}, {2, 1, 64}, {90, 3, 38}, {200, 4, 80}};
  for (const auto& s : kShapes) {
    for (const bool positions : {false, true}) {
      for (const bool inverse : {false, true}) {
        rows.push_back({"rope",
                        std::to_string(s.N) + "x" + std::to_string(s.heads) + "x" + std::to_string(s.D) +
                            (positions ? "_positions" : "") + (inverse ? "_inverse" : ""),
                        [=] { return turn_problem(s.N, s.heads, s.D, positions, inverse); }});
      }
    }
  }
}

}  // namespace mft::kernels::test
