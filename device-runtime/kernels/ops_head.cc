// Rows of cross_entropy_*: the head in every storage type, with and without ignored rows.
#include <memory>

#include "kernels/cross_entropy.h"
#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/reference/cross_entropy.h"
#include "kernels/stored_weights.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;
constexpr float kScale = 0.125f;

struct Head {
  Head(DType dtype, const CrossEntropyShape& shape_of, bool ignored)
      : shape(shape_of),
        hidden(random_vector(shape.rows * shape.channels, 1)),
        dW(random_vector(shape.vocab * shape.channels, 3, 0.01f)),
        W(stored_weights(dtype, shape.vocab, shape.channels, 2)) {
    Random random(4);
    for (i64 n = 0; n < shape.rows; ++n) {
      const bool skip = ignored && random.below(3) == 0;
      targets.push_back(skip ? kIgnoredTarget : static_cast<std::int32_t>(random.below(shape.vocab)));
    }
  }
  CrossEntropyShape shape;
  std::vector<float> hidden, dW;
  StoredWeights W;
  std::vector<std::int32_t> targets;
};

Problem head_problem(const std::shared_ptr<const Head>& h) {
  const Vector hidden = to_double(h->hidden), W = to_double(h->W.values);
  Vector losses(h->targets.size());
  std::vector<std::int32_t> likeliest(losses.size());
  const CrossEntropyResult exact =
      reference::cross_entropy<double>(h->shape, hidden.data(), W.data(), h->targets.data(), 1.0, losses.data(),
                                       nullptr, nullptr, likeliest.data());
  return {[h](ThreadPool& pool) {
            std::vector<float> out(h->targets.size(), 7.0f);
            const Scratch scratch(cross_entropy_workspace(pool.threads(), h->shape, false));
            std::vector<std::int32_t> first(out.size(), 7);
            const CrossEntropyResult result =
                cross_entropy_forward(pool, h->shape, h->hidden.data(), h->W, h->targets.data(), out.data(),
                                      first.data(), scratch);
            return Outputs{out,
                           {static_cast<float>(result.loss_sum), static_cast<float>(result.tokens)},
                           {first.begin(), first.end()}};
          },
          {{losses, 1e-6},
           {{exact.loss_sum, static_cast<double>(exact.tokens)}, 1e-6},
           {{likeliest.begin(), likeliest.end()}, 0}}};
}

Problem head_gradient(const std::shared_ptr<const Head>& h) {
  const Vector hidden = to_double(h->hidden), W = to_double(h->W.values);
  Vector losses(h->targets.size()), d_hidden(hidden.size()), dW(W.size());
  reference::cross_entropy<double>(h->shape, hidden.data(), W.data(), h->targets.data(),
                                   static_cast<double>(kScale), losses.data(), d_hidden.data(), dW.data());
  const auto loss = [&](const double* x, const double* weight) {
    return static_cast<double>(kScale) *
           reference::cross_entropy<double>(h->shape, x, weight, h->targets.data(), 1.0, nullptr, nullptr, nullptr)
               .loss_sum;
  };
  check_gradient(hidden, d_hidden, [&](const Vector& v) { return loss(v.data(), W.data()); });
  check_gradient(W, dW, [&](const Vector& v) { return loss(hidden.data(), v.data()); });
  for (std::size_t i = 0; i < dW.size(); ++i) dW[i] += static_cast<double>(h->dW[i]);
  return {[h](ThreadPool& pool) {
            std::vector<float> out(h->targets.size(), 7.0f), d(h->hidden.size(), 7.0f), frozen = d, gradient = h->dW;
            const Scratch scratch(cross_entropy_workspace(pool.threads(), h->shape, true));
            cross_entropy_forward_backward(pool, h->shape, h->hidden.data(), h->W, h->targets.data(), kScale,
                                           out.data(), d.data(), gradient.data(), scratch);
            cross_entropy_forward_backward(pool, h->shape, h->hidden.data(), h->W, h->targets.data(), kScale, nullptr,
                                           frozen.data(), nullptr, scratch);
            return Outputs{out, d, frozen, gradient};
          },
          {{losses, 1e-6}, {d_hidden, 5e-6}, {d_hidden, 5e-6}, {dW, 5e-6}}};
}

Problem softcap_problem(i64 n) {
  const std::vector<float> x = random_vector(n, 1, 50.0f);
  Vector y;
  for (const float v : x) y.push_back(30 * std::tanh(static_cast<double>(v) / 30));
  return {[=](ThreadPool& pool) {
            std::vector<float> out = x;
            softcap(pool, n, 30.0f, out.data());
            return Outputs{out};
          },
          {{y, 1e-6}},
          n >= 50001};
}

// With products in bf16. The oracle rounds hidden and W, which is all that the losses see. The gradients' products also
// round the exponentials (half a unit of bf16 is 2^-9) and leave the target's row of W as it is: the bar is four units
// of bf16 of the largest gradient.
Problem bf16_problem(const std::shared_ptr<const Head>& h) {
  const Vector hidden = to_double(rounded_to_bf16(h->hidden)), W = to_double(rounded_to_bf16(h->W.values));
  Vector losses(h->targets.size()), d_hidden(hidden.size()), dW = to_double(h->dW);
  const double loss_sum =
      reference::cross_entropy<double>(h->shape, hidden.data(), W.data(), h->targets.data(),
                                       static_cast<double>(kScale), losses.data(), d_hidden.data(), dW.data())
          .loss_sum;
  return {[h](ThreadPool& pool) {
            CrossEntropyShape shape = h->shape;
            shape.compute = Compute::kBF16;
            std::vector<float> forward(h->targets.size()), out = forward, d(h->hidden.size()), gradient = h->dW;
            const Scratch scratch(cross_entropy_workspace(pool.threads(), shape, true));
            const CrossEntropyResult result =
                cross_entropy_forward(pool, shape, h->hidden.data(), h->W, h->targets.data(), forward.data(), nullptr,
                                      scratch);
            cross_entropy_forward_backward(pool, shape, h->hidden.data(), h->W, h->targets.data(), kScale, out.data(),
                                           d.data(), gradient.data(), scratch);
            return Outputs{forward, {static_cast<float>(result.loss_sum)}, out, d, gradient};
          },
          {{losses, 1e-5}, {{loss_sum}, 1e-5}, {losses, 1e-5}, {d_hidden, 0x1p-6}, {dW, 0x1p-6}}};
}

}  // namespace

void add_head_rows(Rows& rows) {
  const struct {
    CrossEntropyShape shape;
    bool ignored;
  } shapes[] = {{{1, 1, 2}, false},        {{5, 3, 7}, false},      {{9, 17, 33}, true},
                {{13, 33, 97}, true},      {{3, 40, 1025}, false},  {{131, 5, 101}, true},
                {{7, 16, 310, 3}, true},   {{4, 35, 65, 1}, false}};
  for (const DType dtype : kStorageTypes) {
    for (const auto& s : shapes) {
      const std::string name = std::string(storage_name(dtype)) + "_" + std::to_string(s.shape.rows) + "x" +
                               std::to_string(s.shape.channels) + "x" + std::to_string(s.shape.vocab) +
                               (s.shape.softcap > 0 ? "_capped" : "");
      const auto head = [=] { return std::make_shared<const Head>(dtype, s.shape, s.ignored); };
      rows.push_back({"cross_entropy_forward", name, [head] { return head_problem(head()); }});
      rows.push_back({"cross_entropy_forward_backward", name, [head] { return head_gradient(head()); }});
      if (s.shape.rows == 1) continue;  // the two terms of its gradient all but cancel
      rows.push_back({"cross_entropy_forward_backward", name + "_bf16_compute", [head] { return bf16_problem(head()); },
                      Compute::kBF16});
    }
  }
  for (const i64 n : {1, 15, 16, 17, 1000, 50001}) {
    rows.push_back({"softcap", std::to_string(n), [=] { return softcap_problem(n); }});
  }
}

}  // namespace mft::kernels::test
