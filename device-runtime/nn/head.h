// The language-model head and its loss. Logits exist only in tiles inside the kernel; rows without a label
// cost nothing.
#pragma once

#include "nn/pass.h"

namespace mft::nn {

struct Head {
  i64 channels = 0;           // C
  i64 vocab = 0;              // V
  kernels::Weights weight;    // [V, C]; the token embedding when tied
  float* d_weight = nullptr;  // [V, C], added to; null: frozen
  float softcap = 0;          // logits become softcap * tanh(logit / softcap); 0: off
};

struct HeadLoss {
  double sum = 0;  // of -log p(target), nats
  i64 labels = 0;
};

// hidden [N, C], targets [N] (-100: no label).
HeadLoss head_loss(const Pass& pass, const Head& head, const float* hidden, const int32_t* targets);
// The same row by row: losses [N] (0 without a label), and the likeliest token [N] (-1).
void head_scores(const Pass& pass, const Head& head, const float* hidden, const int32_t* targets, float* losses,
                 int32_t* likeliest);
// The same loss, and the gradient of scale * sum: d_hidden [N, C] is overwritten.
HeadLoss head_loss_backward(const Pass& pass, const Head& head, const float* hidden, const int32_t* targets,
                            float scale, float* d_hidden);
// logits [rows, V].
void head_logits(const Pass& pass, const Head& head, i64 rows, const float* hidden, float* logits);

// Kernel workspace of all of them, in bytes. weight_gradient: backward with a d_weight.
size_t head_workspace(int threads, const Head& head, i64 rows, bool backward, bool weight_gradient);

}  // namespace mft::nn
