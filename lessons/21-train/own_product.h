// SPDX-License-Identifier: MIT
// For the lesson's .cu files: the table of a trainer with a product of our own in place of cuBLAS.
#ifndef HEDDLE_LESSON_21_OWN_PRODUCT_H
#define HEDDLE_LESSON_21_OWN_PRODUCT_H
extern "C" {
#include "trainer.h"
}

void use_own_product(hd_ops *o);
#endif
