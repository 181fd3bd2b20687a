// AdamW (Loshchilov and Hutter, 2019) with the update rule of torch.optim.AdamW.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

// Constants of one optimizer step, computed in double, used in f32.
struct AdamWStep {
  float beta1, one_minus_beta1;
  float beta2, one_minus_beta2;
  float eps;
  float decay;           // 1 - learning rate * weight decay (decoupled; none for biases and norms)
  float rate;            // learning rate / (1 - beta1^t)
  float inverse_root;    // 1 / sqrt(1 - beta2^t)
  float gradient_scale;  // from clipping; 1: none
};

// t counts from 1.
AdamWStep adamw_step(double learning_rate, double beta1, double beta2, double eps, double weight_decay, i64 t,
                     double gradient_scale);

// parameter, m, v [n] are updated; gradient is read, and set to 0 if zero_gradient.
void adamw(ThreadPool& pool, i64 n, const AdamWStep& step, float* parameter, float* gradient, float* m,
           float* v, bool zero_gradient);

}  // namespace mft::kernels
