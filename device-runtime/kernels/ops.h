// Every kernel entry that the headers of this folder declare (the *_workspace functions apart). The table of
// ops_table_test.cc must have rows for each, and check_ops.sh compares the list with the headers: a kernel
// without tests is an error.
#pragma once

#include <string_view>

namespace mft::kernels::test {

constexpr std::string_view kOps[] = {
    "activation_backward",
    "activation_forward",
    "adamw",
    "adamw_step",
    "add",
    "attention_append",
    "attention_backward",
    "attention_decode",
    "attention_forward",
    "bias_gradient",
    "convert",
    "cross_entropy_forward",
    "cross_entropy_forward_backward",
    "dropout",
    "embedding_backward",
    "embedding_forward",
    "fill",
    "gated_backward",
    "gated_forward",
    "gemm",
    "layernorm_backward",
    "layernorm_forward",
    "philox",
    "query_key_backward",
    "query_key_forward",
    "rmsnorm_backward",
    "rmsnorm_forward",
    "rope",
    "rope_table",
    "scale",
    "softcap",
    "sum_of_squares",
};

}  // namespace mft::kernels::test
