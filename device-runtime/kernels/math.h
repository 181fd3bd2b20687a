// Elementary functions in double by +, -, *, / and sqrt alone: the same bits under every libc (glibc and
// bionic differ in the last place). For schedules, bias correction and angles; errors are below 2 units in
// the last place on the ranges named, which the tests check against libm.
#pragma once

namespace mft::kernels::math {

double exp(double x);            // all x; 0 below -745, infinity above 709.78
double log(double x);            // x > 0; NaN below, -infinity at 0
double pow(double x, double y);  // x > 0 (0 for x == 0 and y > 0); 1e-14 relative for |y log x| < 30
double sin(double x);            // |x| < 1e6, NaN beyond; error below 1e-15 absolute
double cos(double x);            // |x| < 1e6, NaN beyond; error below 1e-15 absolute

}  // namespace mft::kernels::math
