#include "nn/head.h"

#include <algorithm>

#include "kernels/cross_entropy.h"
#include "kernels/gemm.h"

namespace mft::nn {
namespace {

kernels::CrossEntropyShape shape_of(const Pass& pass, const Head& head) {
  return {.rows = pass.rows(),
          .channels = head.channels,
          .vocab = head.vocab,
          .softcap = head.softcap,
          .compute = pass.compute};
}

}  // namespace

HeadLoss head_loss(const Pass& pass, const Head& head, const float* hidden, const int32_t* targets) {
  const kernels::CrossEntropyResult result =
      kernels::cross_entropy_forward(pass.pool, shape_of(pass, head), hidden, head.weight, targets, nullptr, nullptr,
                                     pass.scratch.kernel);
  return {result.loss_sum, result.tokens};
}

void head_scores(const Pass& pass, const Head& head, const float* hidden, const int32_t* targets, float* losses,
                 int32_t* likeliest) {
  kernels::cross_entropy_forward(pass.pool, shape_of(pass, head), hidden, head.weight, targets, losses, likeliest,
                                 pass.scratch.kernel);
}

HeadLoss head_loss_backward(const Pass& pass, const Head& head, const float* hidden, const int32_t* targets,
                            float scale, float* d_hidden) {
  const kernels::CrossEntropyResult result = kernels::cross_entropy_forward_backward(
      pass.pool, shape_of(pass, head), hidden, head.weight, targets, scale, nullptr, d_hidden, head.d_weight,
      pass.scratch.kernel, pass.first_gradients);
  return {result.loss_sum, result.tokens};
}

void head_logits(const Pass& pass, const Head& head, i64 rows, const float* hidden, float* logits) {
  kernels::gemm(pass.pool, kernels::GemmOp::kNT, rows, head.vocab, head.channels, hidden, head.channels,
                head.weight, head.channels, logits, head.vocab, 0, {.compute = pass.compute},
                pass.scratch.kernel);
  if (head.softcap != 0) kernels::softcap(pass.pool, rows * head.vocab, head.softcap, logits);
}

size_t head_workspace(int threads, const Head& head, i64 rows, bool backward, bool weight_gradient) {
  const kernels::CrossEntropyShape shape{.rows = rows, .channels = head.channels, .vocab = head.vocab};
  return std::max(kernels::cross_entropy_workspace(threads, shape, backward, weight_gradient),
                  kernels::gemm_workspace(threads, kernels::GemmOp::kNT, rows, head.vocab, head.channels));
}

}  // namespace mft::nn
