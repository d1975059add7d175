// SPDX-License-Identifier: MIT
#error "cusim does not support warp matrix functions (mma.h, nvcuda::wmma)"
